"""Networks of the library transformers, for any number of channels and classes.

They are used without its image processors, which need torchvision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from emma_fusion.errors import UserError

_CLASSES = {
    "deeplab": ("MobileNetV2Config", "MobileNetV2ForSemanticSegmentation"),
    "segformer": ("SegformerConfig", "SegformerForSemanticSegmentation"),
    "yolos": ("YolosConfig", "YolosForObjectDetection"),
    "rtdetr": ("RTDetrConfig", "RTDetrForObjectDetection"),
}


def build_network(
    name: str,
    channels: int,
    classes: int,
    size: tuple[int, int],
    settings: dict[str, Any] | None = None,
    weights: Path | None = None,
    seed: int = 0,
) -> nn.Module:
    """Make a network, new or from saved weights.

    Args:
        name: deeplab is DeepLabV3+ on MobileNetV2 (Chen et al., ECCV 2018; Sandler et al., CVPR
            2018), segformer SegFormer (Xie et al., NeurIPS 2021), yolos YOLOS (Fang et al.,
            NeurIPS 2021), rtdetr RT-DETR (Zhao et al., CVPR 2024).
        channels: Of the images.
        classes: How many.
        size: Height and width of the images, for YOLOS' positions.
        settings: Of the library's configuration for it; for rtdetr, `backbone_config` holds those
            of its ResNet.
        weights: A folder that the library's ``save_pretrained`` wrote. Where its first layer has
            another number of channels, each takes the mean of its weights, scaled so that equal
            channels give what they gave; a head for other classes is new.
        seed: Of what is new.

    Raises:
        UserError: A setting is not one, or the weights cannot be used.
    """
    import transformers

    config_class, model_class = (getattr(transformers, name) for name in _CLASSES[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            if weights is None:
                options = (config_class, name, size, settings or {}, classes)
                network: nn.Module = model_class(_config(*options, channels))
                # all but a first layer of other channels is the same for every kind of input
                torch.manual_seed(seed)
                same = model_class(_config(*options, 3)).state_dict()
                state = network.state_dict()
                fitting = {k: v for k, v in same.items() if v.shape == state[k].shape}
                network.load_state_dict(state | fitting)
                _average_statistics(network)
            else:
                network = _load(model_class, weights, channels, classes)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
            where = f"from {weights}" if weights else f"with the settings {settings}"
            raise UserError(f"The network {name} could not be made {where}: {error}") from error
    return network


def _average_statistics(network: nn.Module) -> None:
    """Make batch normalisation keep running means.

    The library's MobileNetV2 takes 0.997 for TensorFlow's momentum, the share of what was; in
    PyTorch it is the share of what is new, so that the statistics would be the last batch's.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and (module.momentum or 0) > 0.5:
            module.momentum = 0.1


def _config(
    kind: Any,
    name: str,
    size: tuple[int, int],
    settings: dict[str, Any],
    classes: int,
    channels: int,
) -> Any:
    known = kind().to_dict()
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"{', '.join(unknown)} is no setting of {kind.__name__}.")
    values = {"num_labels": classes, **settings}
    if name == "rtdetr":
        from transformers import RTDetrResNetConfig

        backbone: dict[str, Any] = {"out_features": ["stage2", "stage3", "stage4"]}
        backbone |= settings.get("backbone_config", {})
        values["backbone_config"] = RTDetrResNetConfig(num_channels=channels, **backbone)
        values["use_timm_backbone"] = False
        # the library's default is for weights that were trained elsewhere
        values.setdefault("freeze_backbone_batch_norms", False)
    else:
        values["num_channels"] = channels
    if name == "yolos":
        values.setdefault("image_size", list(size))
    return kind(**values)


def _load(kind: Any, weights: Path, channels: int, classes: int) -> nn.Module:
    if not weights.is_dir():
        raise ValueError("there is no such folder.")
    options: dict[str, Any] = {"local_files_only": True, "num_labels": classes}
    saved = kind.from_pretrained(weights, ignore_mismatched_sizes=True, **options)
    config = saved.config
    backbone = getattr(config, "backbone_config", None) or config
    if backbone.num_channels == channels:
        return saved  # type: ignore[no-any-return]
    backbone.num_channels = channels
    network: nn.Module = kind(config)
    state = saved.state_dict()
    for key, value in network.state_dict().items():
        old = state[key]
        if old.shape != value.shape:
            mean = old.mean(dim=1, keepdim=True) * (old.shape[1] / channels)
            state[key] = mean.expand_as(value).clone()
    network.load_state_dict(state)
    return network
