"""Two training steps of a small model with a robust loss."""

from __future__ import annotations

import copy
import math
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn
from torch.overrides import TorchFunctionMode

from anl_seg.config import replace_losses
from anl_seg.config.loss_config import qualified_loss
from anl_seg.noise import build_noise
from tools.model_zoo.batch import noisy_batch
from tools.model_zoo.loss_specs import fill_loss, has_no_object_class, is_binary
from tools.model_zoo.shrink import input_size, two_classes

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
        variant: how the model differs from the config's besides its size; "" = not.
    """

    status: str
    reason: str = ""
    traceback: str = ""
    losses: tuple[float, ...] = ()
    kept: str = ""
    variant: str = ""

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
        for key in ("loss_decode", "loss_cls", "loss_mask", "loss_dice"):
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


def inner_head(model: dict) -> dict:
    """The (last) decode head of a model, or its inner head (K-Net)."""
    head = model.get("decode_head") or {}
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


class _NoRandomFill(TorchFunctionMode):
    """Within, parameters are not drawn: they are about to be overwritten, and drawing is slow."""

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func in (torch.Tensor.uniform_, torch.Tensor.normal_):
            return args[0]
        return func(*args, **(kwargs or {}))


def _is_finite(tensor: torch.Tensor) -> bool:
    # The norm takes one pass and no memory; it can overflow where all entries are finite.
    return bool(torch.linalg.vector_norm(tensor).isfinite() or tensor.isfinite().all())


class ModelTrial:
    """A small model that losses are tried in, one after another, each from the same weights.

    For every loss the model is built from its config anew; the weights are drawn once.

    Args:
        model_cfg: a model from :func:`tools.model_zoo.shrink.shrink_model`; left unchanged.
        noise: config of the noise on the labels.
    """

    def __init__(self, model_cfg: dict, noise: dict) -> None:
        self.model_cfg = model_cfg
        self.noise = noise
        self._weights: dict[str, torch.Tensor] = {}
        self._own: Outcome | None = None

    def try_loss(self, loss: dict) -> Outcome:
        """Take two steps with a loss on a noisy batch; see :func:`try_model`.

        Args:
            loss: config for :func:`anl_seg.config.replace_losses`; a transition matrix that it needs
                and lacks is that of the noise.
        """
        init_default_scope("mmseg")
        try:
            return self._try_loss(loss)
        except ValueError as error:
            if str(error).startswith("no loss to replace"):
                return Outcome("not applicable", f"loss not built from loss_decode: {error}")
            failed = failure(error)
        except Exception as error:
            failed = failure(error)
        return failed if failed.status != "fails" else self._as_shipped(failed)

    def _try_loss(self, loss: dict) -> Outcome:
        head = inner_head(self.model_cfg)
        if is_binary(loss, self.noise) and head["num_classes"] != 2:
            if has_no_object_class(head):
                return Outcome(
                    "not applicable", "takes two classes; masks have one more, no object"
                )
            binary = ModelTrial(two_classes(self.model_cfg), self.noise)
            return replace(binary.try_loss(loss), variant="two classes")
        return self._train(fill_loss(loss, self.noise, head))

    def _build(self, loss: dict | None) -> nn.Module:
        cfg = Config(dict(model=copy.deepcopy(self.model_cfg)))
        if loss is not None:
            replace_losses(cfg, loss)
        torch.manual_seed(0)
        if not self._weights:
            model = MODELS.build(cfg.model)
            _draw_weights(model)
            places = tuple(f"{place}." for place in _segmentation_losses(model))
            self._weights = {
                name: value.clone()
                for name, value in model.state_dict().items()
                if not name.startswith(places)
            }
        else:
            with _NoRandomFill():
                model = MODELS.build(cfg.model)
            places = tuple(f"{place}." for place in _segmentation_losses(model))
            keys = model.load_state_dict(self._weights, strict=False)
            wrong = [name for name in keys.missing_keys if not name.startswith(places)]
            if wrong or keys.unexpected_keys:
                raise RuntimeError(
                    f"another loss gave another model: {[*wrong, *keys.unexpected_keys]}"
                )
        return model.train()

    def _train(self, loss: dict | None) -> Outcome:
        """Two steps; with the config's own losses where ``loss`` is None."""
        model = self._build(loss)
        losses = _segmentation_losses(model)
        robust = MODELS.get(qualified_loss(loss)["type"]) if loss is not None else nn.Module
        replaced = {place: x for place, x in losses.items() if isinstance(x, robust)}
        calls: Counter = Counter()
        for place, module in replaced.items():
            module.register_forward_hook(lambda *_, place=place: calls.update([place]))
        totals = _two_steps(model, self._batch(border=4 if loss is not None else 0))
        silent = sorted(place for place in replaced if calls[place] < _STEPS)
        if loss is not None and (silent or not replaced):
            raise RuntimeError(
                f"replaced losses that were not called in each step: {', '.join(silent) or 'all'}"
            )
        kept = [type(x).__name__ for place, x in losses.items() if place not in replaced]
        return Outcome("trains", losses=tuple(totals), kept=_counted(kept))

    def _batch(self, border: int) -> dict:
        head = inner_head(self.model_cfg)
        return noisy_batch(
            build_noise(self.noise),
            num_classes=head["num_classes"],
            channels=_channels(self.model_cfg),
            size=input_size(self.model_cfg),
            ignore_index=head.get("ignore_index", 255),
            border=border,
        )

    def _as_shipped(self, failed: Outcome) -> Outcome:
        """A failure, or "not applicable" where the config's own losses do not train either."""
        if self._own is None:
            try:
                # Without ignored pixels: upstream's cross entropy with class weights fails at one.
                self._own = self._train(None)
            except Exception as error:
                own = failure(error)
                if own.status == "fails":
                    reason = f"its own losses fail too: {own.reason}"
                    own = Outcome("not applicable", reason, own.traceback)
                self._own = own
        return failed if self._own.status == "trains" else self._own


class _GradientCheck(OptimWrapper):
    """Looks at the gradients when they are there: ``update_params`` clears them after its step."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        self._model = model
        self._steps = 0

    def step(self, **kwargs: Any) -> None:
        """As in mmengine; FloatingPointError where a gradient is not finite."""
        self._steps += 1
        for name, parameter in self._model.named_parameters():
            if parameter.grad is not None and not _is_finite(parameter.grad):
                raise FloatingPointError(
                    f"step {self._steps} gave {name} a gradient that is not finite"
                )
        super().step(**kwargs)


def _two_steps(model: nn.Module, batch: dict) -> list[float]:
    """The total of each step; FloatingPointError where it or a gradient is not finite."""
    sgd = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    optimizer = _GradientCheck(model, sgd)
    totals: list[float] = []
    torch.manual_seed(0)
    for step in range(1, _STEPS + 1):
        log = model.train_step(batch, optimizer)
        totals.append(log["loss"].item())
        if not math.isfinite(totals[-1]):
            raise FloatingPointError(f"the loss of step {step} is {totals[-1]}")
    return totals


def try_model(model_cfg: dict, loss: dict, noise: dict) -> Outcome:
    """Build a small model with a robust loss and take two steps on a noisy batch.

    It trains if every replaced loss was called in each step and the totals and all gradients are
    finite; the step is mmengine's ``train_step`` with SGD, data preprocessor included. Where it fails,
    the same is tried with the losses that the config came with and no ignored pixels: if these fail
    too, the loss is not what is wrong, and the outcome is "not applicable" with the traceback kept. A
    loss for two classes is tried in the same model with two classes (and without class weights), where
    that can be.

    Args:
        model_cfg: a model from :func:`tools.model_zoo.shrink.shrink_model`; left unchanged.
        loss: config for :func:`anl_seg.config.replace_losses`; a transition matrix that it needs and
            lacks is that of the noise.
        noise: config of the noise on the labels.
    """
    return ModelTrial(model_cfg, noise).try_loss(loss)
