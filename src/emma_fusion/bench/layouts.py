"""Where the field's test sets keep their images, and where to get them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """A known test set.

    Attributes:
        name: How it is asked for.
        title: How the field writes it.
        homes: Folders under the root that may hold it.
        places: Folders of the infrared (CT, PET, SPECT) and of the visible (MRI) images in its
            home; test splits first, the first that is there is taken. Case does not matter.
        source: Where to download it, and what to put where.
        pairs: How many pairs its usual test set has; None where there is no usual one.
        labels: What its two images are called.
    """

    name: str
    title: str
    homes: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    source: str
    pairs: int | None = None
    labels: tuple[str, str] = ("infrared", "visible")


_IR_VI = (("test/ir", "test/vi"), ("ir", "vi"), ("ir", "vis"))
_GU = "https://github.com/xianming-gu/Havard-Medical-Image-Fusion-Datasets"


def _harvard(scan: str) -> Layout:
    """The Harvard scans of one kind beside the MRI (AANLIB of the Harvard Medical School)."""
    upper = scan.upper()
    places = ((f"test/{scan}", "test/mri"), (scan, "mri"))
    return Layout(
        f"harvard-{scan}",
        f"Harvard MRI-{upper}",
        (f"harvard/{scan}-mri", f"{upper}-MRI", f"MRI_{upper}", f"harvard/MRI_{upper}"),
        places,
        f"Download {_GU} and put its folder {upper}-MRI, with {upper} and MRI in it,",
        labels=(upper, "MRI"),
    )


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "roadscene",
            "RoadScene",
            ("RoadScene", "RoadScene-master"),
            (
                *_IR_VI,
                ("cropinfrared", "crop_LR_visible"),
                ("crop_infrared", "crop_LR_visible"),
            ),
            "Download https://github.com/hanna-xu/RoadScene and put its folders cropinfrared and "
            "crop_LR_visible",
            50,
        ),
        Layout(
            "msrs",
            "MSRS",
            ("MSRS", "MSRS-main"),
            _IR_VI,
            "Download https://github.com/Linfeng-Tang/MSRS and put its folder test, with ir and vi "
            "in it,",
            361,
        ),
        Layout(
            "m3fd",
            "M3FD",
            ("M3FD_Fusion", "M3FD", "M3FD/M3FD_Fusion"),
            (*_IR_VI, ("Ir", "Vis")),
            "Download M3FD_Fusion as https://github.com/JinyuanLiu-CV/TarDAL says and put its "
            "folders Ir and Vis",
            300,
        ),
        Layout(
            "tno",
            "TNO",
            ("TNO", "TNO_Image_Fusion_Dataset"),
            _IR_VI,
            "Download https://figshare.com/articles/dataset/TNO_Image_Fusion_Dataset/1008029 and "
            "put the pairs you use, whose folders there follow no one rule, as ir/NAME and vi/NAME",
        ),
        Layout(
            "llvip",
            "LLVIP",
            ("LLVIP",),
            (("infrared/test", "visible/test"), *_IR_VI),
            "Download https://github.com/bupt-ai-cz/LLVIP and put its folders infrared and "
            "visible, with test in each,",
            3463,
        ),
        Layout(
            "fmb",
            "FMB",
            ("FMB",),
            (("test/Infrared", "test/Visible"), *_IR_VI),
            "Download FMB as https://github.com/JinyuanLiu-CV/SegMiF says and put its folder test, "
            "with Infrared and Visible in it,",
            280,
        ),
        Layout(
            "vifb",
            "VIFB",
            ("VIFB", "VIFB-master"),
            (("input/IR", "input/VI"), ("ir", "vi")),
            "Download https://github.com/xingchenzhang/VIFB and put its folder input, with IR and "
            "VI in it,",
            21,
        ),
        *(_harvard(scan) for scan in ("ct", "pet", "spect")),
    )
}
