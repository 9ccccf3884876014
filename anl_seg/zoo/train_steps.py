"""Two training steps of a small model with a robust loss."""

from __future__ import annotations

import copy
import math
import traceback
from collections import Counter
from dataclasses import asdict, dataclass

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from anl_seg.config import replace_losses
from anl_seg.config.replace_losses import qualified_loss
from anl_seg.noise import build_noise
from anl_seg.zoo.batch import noisy_batch
from anl_seg.zoo.shrink import input_size

#: What can come of a config.
STATUSES = ("trains", "not applicable", "fails")
_STEPS = 2
_FAMILY_PACKAGES = ("mmseg", "mmengine", "mmcv", "anl_seg")


@dataclass(frozen=True)
class Outcome:
    """What came of a model.

    Attributes:
        status: one of :data:`STATUSES`.
        reason: one line; the kind of reason stands before its colon.
        traceback: of a failure, else "".
        losses: the total of each step.
        kept: the other losses of the heads, with their number.
    """

    status: str
    reason: str = ""
    traceback: str = ""
    losses: tuple[float, ...] = ()
    kept: str = ""

    def to_dict(self) -> dict:
        """As JSON holds it."""
        return {**asdict(self), "losses": list(self.losses)}


def _causes(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def failure(error: Exception) -> Outcome:
    """An exception as an outcome: a package that is not there, or a failure with its traceback."""
    for cause in _causes(error):
        name = (cause.name or "") if isinstance(cause, ModuleNotFoundError) else ""
        if name.startswith(("mmcv._ext", "mmcv.ops")):
            return Outcome("not applicable", "needs compiled ops: mmcv.ops, which this mmcv lacks")
        if name and name.partition(".")[0] not in _FAMILY_PACKAGES:
            return Outcome("not applicable", f"needs another package: {name.partition('.')[0]}")
    lines = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
    return Outcome("fails", reason, "".join(traceback.format_exception(error)))


def _segmentation_losses(model: nn.Module) -> dict[str, nn.Module]:
    """The losses of all heads by their place: ``decode_head.loss_decode.0``."""
    found = {}
    for place, module in model.named_modules():
        for key in ("loss_decode", "loss_cls"):
            loss = getattr(module, key, None)
            if isinstance(loss, nn.ModuleList):
                found.update({f"{place}.{key}.{i}": x for i, x in enumerate(loss)})
            elif isinstance(loss, nn.Module):
                found[f"{place}.{key}"] = loss
    return found


def _counted(names: list[str]) -> str:
    """``BoundaryLoss, 2 DiceLoss``."""
    counts = sorted(Counter(names).items())
    return ", ".join(f"{n} {name}" if n > 1 else name for name, n in counts)


def _inner_head(model: dict) -> dict:
    head = model["decode_head"]
    head = head[-1] if isinstance(head, (list, tuple)) else head
    return head.get("kernel_generate_head") or head


def _channels(model: dict) -> int:
    mean = (model.get("data_preprocessor") or {}).get("mean")
    return len(mean) if mean else (model.get("backbone") or {}).get("in_channels", 3)


def _draw_weights(model: nn.Module) -> None:
    if type(model).__name__ != "MultimodalEncoderDecoder":
        model.init_weights()
        return
    # Side-Adapter can only load CLIP's weights, and leaves memory as it was where there are none.
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.trunc_normal_(parameter, std=0.02)
        elif parameter.ndim == 0 or not parameter.isfinite().all():
            nn.init.ones_(parameter)


def _train(model_cfg: dict, loss: dict | None, noise: dict) -> Outcome:
    """Two steps; with the config's own losses where ``loss`` is None."""
    cfg = Config(dict(model=copy.deepcopy(model_cfg)))
    if loss is not None:
        replace_losses(cfg, loss)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    _draw_weights(model)
    model.train()
    losses = _segmentation_losses(model)
    robust = MODELS.get(qualified_loss(loss)["type"]) if loss is not None else nn.Module
    replaced = {place: x for place, x in losses.items() if isinstance(x, robust)}
    calls: Counter = Counter()
    for place, module in replaced.items():
        module.register_forward_hook(lambda *_, place=place: calls.update([place]))
    head = _inner_head(model_cfg)
    batch = noisy_batch(
        build_noise(noise),
        num_classes=head["num_classes"],
        channels=_channels(model_cfg),
        size=input_size(model_cfg),
        ignore_index=head.get("ignore_index", 255),
        # Upstream's cross entropy with class weights fails where a pixel is ignored; that is not asked.
        border=4 if loss is not None else 0,
    )
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9))
    totals = []
    for step in range(_STEPS):
        log = model.train_step(batch, optimizer)
        totals.append(log["loss"].item())
        if not math.isfinite(totals[-1]):
            raise FloatingPointError(f"the loss of step {step + 1} is {totals[-1]}")
        for name, parameter in model.named_parameters():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                raise FloatingPointError(
                    f"step {step + 1} gave {name} a gradient that is not finite"
                )
    silent = sorted(place for place in replaced if calls[place] < _STEPS)
    if loss is not None and (silent or not replaced):
        raise RuntimeError(
            f"replaced losses that were not called in each step: {', '.join(silent) or 'all'}"
        )
    kept = [type(x).__name__ for place, x in losses.items() if place not in replaced]
    return Outcome("trains", losses=tuple(totals), kept=_counted(kept))


def _as_shipped(model_cfg: dict, noise: dict, failed: Outcome) -> Outcome:
    """A failure, or "not applicable" where the config's own losses do not train either."""
    try:
        _train(model_cfg, None, noise)
    except Exception as error:
        own = failure(error)
        if own.status == "not applicable":
            return own
        return Outcome("not applicable", f"its own losses fail too: {own.reason}", own.traceback)
    return failed


def try_model(model_cfg: dict, loss: dict, noise: dict) -> Outcome:
    """Build a small model with a robust loss and take two steps on a noisy batch.

    It trains if every replaced loss was called in each step and the totals and all gradients are
    finite; the step is mmengine's ``train_step`` with SGD, data preprocessor included. Where it fails,
    the same is tried with the losses that the config came with and no ignored pixels: if these fail
    too, the loss is not what is wrong, and the outcome is "not applicable" with the traceback kept.

    Args:
        model_cfg: a model from :func:`anl_seg.zoo.shrink_model`; left unchanged.
        loss: config for :func:`anl_seg.config.replace_losses`.
        noise: config of the noise on the labels.
    """
    init_default_scope("mmseg")
    try:
        return _train(model_cfg, loss, noise)
    except ValueError as error:
        if str(error).startswith("no loss to replace"):
            return Outcome("not applicable", f"loss not built from loss_decode: {error}")
        failed = failure(error)
    except Exception as error:
        failed = failure(error)
    return failed if failed.status != "fails" else _as_shipped(model_cfg, noise, failed)
