"""What the help of each verb ends with: commands to copy."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("emma demo -o street", "emma demo --scene fog -o fog", "emma demo --scene all"),
    "fuse": (
        "emma fuse ir.png vis.jpg -o fused.png",
        "emma fuse INFRARED VISIBLE -o FUSED --contrast stretch",
        "emma fuse thermal.mp4 visible.mp4 -o fused.mp4 --layout side-by-side",
        "emma fuse 0 1 -o live.mp4 --live",
        "emma fuse FLIR0001.jpg -o fused.jpg --align auto",
        "emma fuse DCIM DCIM -o FUSED --match '*_T=*_W'",
        "emma fuse PET.nii.gz MRI.nii.gz -o FUSED.nii.gz --overlay 0.4",
    ),
    "align": (
        "emma align ir.png vis.jpg -o aligned.png",
        "emma align INFRARED VISIBLE -o OUT --align rig.json",
    ),
    "calibrate": (
        "emma calibrate INFRARED VISIBLE -o rig.json",
        "emma calibrate INFRARED VISIBLE -o rig.json --board 11x8 --square 0.03",
    ),
    "check": ("emma check INFRARED VISIBLE", "emma check ir.png vis.jpg --json"),
    "thermal": ("emma thermal FLIR0001.jpg -o t.tif", "emma thermal FOLDER -o OUT --unit K"),
    "sense": ("emma sense FUSED -o SENSED --sources IR VI",),
    "info": (
        "emma info ir.png vis.jpg",
        "emma info ir.png vis.jpg --json",
        "emma info thermal.mp4 visible.mp4",
    ),
    "models": ("emma models", "emma models base", "emma models --json"),
    "evaluate": (
        "emma evaluate FUSED INFRARED VISIBLE",
        "emma evaluate fused.png ir.png vis.jpg --metrics EN,VIF --json",
    ),
    "bench": (
        "emma bench base baselines -d mine=IR,VI -o SCORES",
        "emma bench base theirs=folder:FUSED -d roadscene --root DATA -o SCORES --protocol paper",
        "emma bench base fused.mp4 -d street=thermal.mp4,visible.mp4 -o SCORES",
    ),
    "equivariance": ("emma equivariance base average -d mine=IR,VI -o OUT",),
    "train": (
        "emma train INFRARED VISIBLE -o runs/mine",
        "emma train INFRARED VISIBLE -o runs/mine --preset paper --set fusion.steps=5000",
    ),
    "import-checkpoint": ("emma import-checkpoint EMMA.pth -o theirs.safetensors",),
}


def epilog(verb: str) -> str | None:
    """The last part of a verb's help, or None for verbs that have none here."""
    lines = EXAMPLES.get(verb)
    return "\n\n".join(["Examples:", *lines]) if lines else None
