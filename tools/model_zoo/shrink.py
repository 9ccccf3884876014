"""Making the model of a config small: what its heads need to fit stays as it is.

Channels stay, because heads and necks name those of the backbone. What goes is depth, pretrained weights,
input size, SyncBN (which a CPU cannot run) and, where no class weights hang on it, a large number of classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

#: Height and width of the input: the least for which 1/32 maps still have 2 x 2 pixels, as batch
#: normalization and window attention want.
INPUT_SIZE = 64
#: LR-ASPP pools windows of 49 x 49 on a map of 1/8.
_INPUT_SIZE_OF_HEAD = {"LRASPPHead": 400}
_MAX_CLASSES = 19


def _least_resnet(backbone: dict) -> None:
    # Of the depths with the same channels: 18 and 34 have basic blocks, all others bottlenecks.
    depth = backbone.get("depth", 50)
    backbone["depth"] = 18 if depth in (18, 34) else 50


def _one_block_per_stage(key: str) -> Callable[[dict], None]:
    def shrink(backbone: dict) -> None:
        if backbone.get(key):
            backbone[key] = [1 for _ in backbone[key]]

    return shrink


def _swin(backbone: dict) -> None:
    # Two blocks in the first stage keep a shifted window.
    depths = backbone.get("depths", (2, 2, 6, 2))
    backbone["depths"] = [2, *(1 for _ in depths[1:])]


def _svt(backbone: dict) -> None:
    # Local and global attention take turns, so two blocks show both.
    depths = backbone.get("depths", (2, 2, 10, 4))
    backbone["depths"] = [2, *(1 for _ in depths[1:])]


def _plain_transformer(backbone: dict) -> None:
    """As many layers as are read out, all of one kind; positions for the small input."""
    indices = backbone.get("out_indices", -1)
    count = len(indices) if isinstance(indices, (list, tuple)) else 1
    backbone["num_layers"] = max(count, 2)
    if isinstance(indices, (list, tuple)):
        backbone["out_indices"] = list(range(max(count, 2) - count, max(count, 2)))
    backbone["img_size"] = (INPUT_SIZE, INPUT_SIZE)


def _hrnet(backbone: dict) -> None:
    for stage in backbone["extra"].values():
        stage["num_modules"] = 1
        stage["num_blocks"] = tuple(1 for _ in stage["num_blocks"])


def _cgnet(backbone: dict) -> None:
    backbone["num_blocks"] = tuple(min(n, 3) for n in backbone.get("num_blocks", (3, 21)))


#: Channels of mmpretrain's architectures, which are known there by a name alone.
_CONVNEXT_CHANNELS = {
    "tiny": [96, 192, 384, 768],
    "small": [96, 192, 384, 768],
    "base": [128, 256, 512, 1024],
    "large": [192, 384, 768, 1536],
    "xlarge": [256, 512, 1024, 2048],
}


def _convnext(backbone: dict) -> None:
    channels = _CONVNEXT_CHANNELS.get(backbone.get("arch", "tiny"))
    if channels:
        backbone["arch"] = dict(depths=[1, 1, 1, 1], channels=channels)


def _poolformer(backbone: dict) -> None:
    # The s and the m architectures differ in channels, their numbers in depth.
    small = str(backbone.get("arch", "s12")).startswith("s")
    channels = [64, 128, 320, 512] if small else [96, 192, 384, 768]
    backbone["arch"] = dict(layers=[1, 1, 1, 1], embed_dims=channels)


def _mask_head(head: dict) -> None:
    """One decoder layer for each map that is attended to, one encoder layer, fewer classes of masks."""
    levels = head.get("num_transformer_feat_level", 1)
    if head.get("transformer_decoder"):
        head["transformer_decoder"]["num_layers"] = levels
    encoder = (head.get("pixel_decoder") or {}).get("encoder")
    if encoder:
        encoder["num_layers"] = 1
    weights = head["loss_cls"].get("class_weight")
    if isinstance(weights, (list, tuple)) and len(weights) == head["num_classes"] + 1:
        head["num_classes"] = min(head["num_classes"], _MAX_CLASSES)
        head["loss_cls"]["class_weight"] = [*weights[: head["num_classes"]], weights[-1]]


def _text_encoder(encoder: dict) -> None:
    """One sentence for each class in place of dozens."""
    encoder["templates"] = ["a photo of a {}."]
    encoder["num_layers"] = 1


_SHRINK: dict[str, Callable[[dict], None]] = {
    "ResNet": _least_resnet,
    "ResNetV1c": _least_resnet,
    "ResNetV1d": _least_resnet,
    "ResNeSt": _least_resnet,
    "ResNeXt": _least_resnet,
    "HRNet": _hrnet,
    "CGNet": _cgnet,
    "SwinTransformer": _swin,
    "SVT": _svt,
    "PCPVT": _one_block_per_stage("depths"),
    "MSCAN": _one_block_per_stage("depths"),
    "MixVisionTransformer": _one_block_per_stage("num_layers"),
    "VisionTransformer": _plain_transformer,
    "BEiT": _plain_transformer,
    "MAE": _plain_transformer,
    "CLIPTextEncoder": _text_encoder,
    "ConvNeXt": _convnext,
    "PoolFormer": _poolformer,
    "MaskFormerHead": _mask_head,
    "Mask2FormerHead": _mask_head,
}


def _without_weights_and_sync(value: Any) -> Any:
    """A copy in which nothing is loaded and normalization needs no process group."""
    if isinstance(value, Mapping):
        found = {k: _without_weights_and_sync(v) for k, v in value.items()}
        if found.get("type") in ("SyncBN", "MMSyncBN"):
            found["type"] = "BN"
        weights = found.get("init_cfg")
        if isinstance(weights, dict) and weights.get("type") == "Pretrained":
            del found["init_cfg"]
        if isinstance(found.get("pretrained", ""), (str, type(None))):
            found.pop("pretrained", None)
        return found
    if isinstance(value, (list, tuple)):
        return type(value)(_without_weights_and_sync(v) for v in value)
    return copy.deepcopy(value)


def _shrink_backbones(value: Any) -> None:
    """Shrink in place every part whose type has a recipe, wrapped backbones too."""
    if isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str) and kind.rpartition(".")[2] in _SHRINK:
            _SHRINK[kind.rpartition(".")[2]](value)
        for inner in value.values():
            _shrink_backbones(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _shrink_backbones(inner)


def _values_of(value: Any, key: str) -> list:
    if isinstance(value, dict):
        here = [value[key]] if value.get(key) is not None else []
        return here + [x for inner in value.values() for x in _values_of(inner, key)]
    if isinstance(value, (list, tuple)):
        return [x for inner in value for x in _values_of(inner, key)]
    return []


def _limit_classes(value: Any) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("num_classes"), int):
            value["num_classes"] = min(value["num_classes"], _MAX_CLASSES)
        for inner in value.values():
            _limit_classes(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _limit_classes(inner)


def input_size(model: Mapping) -> int:
    """Height and width of the input that a model is tried with."""
    kinds = _values_of(model, "type")
    return max([INPUT_SIZE, *(s for head, s in _INPUT_SIZE_OF_HEAD.items() if head in kinds)])


def two_classes(model: Mapping) -> dict:
    """A copy of a model config for two classes, without class weights."""

    def changed(value: Any) -> Any:
        if isinstance(value, Mapping):
            found = {k: changed(v) for k, v in value.items() if k != "class_weight"}
            if isinstance(found.get("num_classes"), int):
                if found.get("out_channels") == found["num_classes"]:
                    found["out_channels"] = 2
                found["num_classes"] = 2
            return found
        if isinstance(value, (list, tuple)):
            return type(value)(changed(v) for v in value)
        return copy.deepcopy(value)

    return changed(model)


def shrink_model(model: Mapping) -> dict:
    """A small copy of a model config, with plain values only.

    Args:
        model: the ``model`` of an mmseg config.

    Returns:
        A new dict: no pretrained weights, BN in place of SyncBN, the least depth that keeps the channels,
        input of :func:`input_size`, at most 19 classes unless there are class weights of pixels, whole-image
        test mode.
    """
    small = _without_weights_and_sync(model)
    _shrink_backbones(small)
    if not _values_of(small, "class_weight"):
        _limit_classes(small)
    preprocessor = small.get("data_preprocessor")
    if preprocessor:
        preprocessor.pop("size_divisor", None)
        preprocessor["size"] = (input_size(small),) * 2
        preprocessor.pop("test_cfg", None)
    small["test_cfg"] = dict(mode="whole")
    return small
