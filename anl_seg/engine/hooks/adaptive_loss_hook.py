"""Learning the hyper-parameters of :class:`AdaptiveLoss` on a small clean set."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

from anl_seg._checks import check_integer
from anl_seg._random_state import random_state_kept
from anl_seg.engine._finite import unwrapped
from anl_seg.functional._precision import full_precision
from anl_seg.models.losses.adaptive_loss import AdaptiveLoss
from anl_seg.registry import HOOKS

#: Norm of the step in the weights along which the logits' change is measured: small enough for a
#: straight line, large enough for the digits of float32 logits.
WEIGHT_STEP = 1e-2
#: Step in ``raw`` for the derivative: at most 0.0125 of a number's range.
RAW_STEP = 5e-2

Call = tuple[Tensor, tuple, dict]


@contextmanager
def _left_as_found(model: nn.Module) -> Iterator[None]:
    """Put weights and buffers (running means of batch norm among them) back on leaving."""
    tensors = [*model.parameters(), *model.buffers()]
    kept = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, kept):
                tensor.copy_(value)


def _losses(model: BaseModel, data: Any) -> dict:
    """The model's losses of preprocessed data; the same random numbers each time."""
    with random_state_kept():
        if isinstance(data, Mapping):
            return model(**data, mode="loss")
        return model(*data, mode="loss")


def _clean_gradient(
    model: BaseModel, adaptive: Sequence[AdaptiveLoss], data: Any, weights: Sequence[Tensor]
) -> list[Tensor]:
    """Gradient of the loss of clean data, every adaptive loss being cross entropy; mean over ranks."""
    with ExitStack() as stack:
        for module in adaptive:
            stack.enter_context(module.judging_clean())
        total, _ = model.parse_losses(_losses(model, data))
    found = torch.autograd.grad(total, weights, allow_unused=True)
    gradient = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found)]
    for part in gradient:
        all_reduce(part, op="mean")
    return gradient


def _recorded_calls(
    model: BaseModel, adaptive: Sequence[AdaptiveLoss], data: Any
) -> list[list[Call]]:
    """The calls of each adaptive loss during one forward pass."""
    with ExitStack() as stack, torch.no_grad():
        calls = [stack.enter_context(module.recorded()) for module in adaptive]
        _losses(model, data)
    return calls


def _pull(module: AdaptiveLoss, calls: Sequence[tuple[Call, Tensor]], raw: Tensor) -> float:
    """Sum over calls of <dL/dz, change of z>, with the numbers that belong to ``raw``."""
    module.use_raw(raw)
    total = 0.0
    for (logits, args, kwargs), change in calls:
        logits = full_precision(logits).clone().requires_grad_()
        with random_state_kept():  # the same complementary labels or peers on both sides
            loss = module.base(logits, *args, **kwargs)
        if loss.dim() == 0:  # an unreduced call is OHEM's choice of pixels, not a loss
            (grad,) = torch.autograd.grad(loss, logits)
            total += float((grad * change).sum())
    return total


def _no_effect(module: AdaptiveLoss, name: str) -> ValueError:
    return ValueError(
        f"AdaptiveLoss: {name} has no effect on the gradient of {type(module.base).__name__}, which "
        "reads it at construction only or not at all; it cannot be learned."
    )


def hyper_gradients(
    model: BaseModel, batch: Any, clean_batch: Any, *, check_effect: bool = False
) -> list[Tensor] | None:
    """Gradient of the clean loss after one training step with respect to each ``raw``, per unit of rate.

    With training gradient g(x) that depends on the loss's numbers x, one step of plain gradient descent
    at rate s gives the clean loss M(theta - s g(x)) = M(theta) - s <v, g(x)> + O(s^2), v = dM/dtheta.
    The result is -d<v, g(x)>/d raw: first order in s, and s itself left out. <v, g> is taken at the
    logits, as <dL/dz, J v>, J v the change of the logits along v. Both J v and the derivative by raw
    are central differences: a batch costs one forward and backward pass of the clean batch, three
    forward passes of the training batch, and no second derivative of anything.

    Weights, buffers, gradients and random state are left as found.

    Args:
        model: mmengine model in training mode, not wrapped.
        batch: training batch, as the data loader gives it.
        clean_batch: batch with trusted labels.
        check_effect: raise an error if a number does not change the loss's gradient.

    Returns:
        One (K,) tensor per :class:`AdaptiveLoss` of the model in the order of ``modules()``; None
        where the clean gradient is zero or not finite.
    """
    adaptive = [module for module in model.modules() if isinstance(module, AdaptiveLoss)]
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with _left_as_found(model), random_state_kept():
        # Copies: preprocessing pads the labels of the batch in place.
        clean_batch = model.data_preprocessor(copy.deepcopy(clean_batch), True)
        batch = model.data_preprocessor(copy.deepcopy(batch), True)
        direction = _clean_gradient(model, adaptive, clean_batch, weights)
        norm = math.hypot(*(float(torch.linalg.vector_norm(part)) for part in direction))
        if not (math.isfinite(norm) and norm > 0.0):
            return None
        here = _recorded_calls(model, adaptive, batch)
        step, sides = WEIGHT_STEP / norm, []
        for factor in (step, -2.0 * step):
            with torch.no_grad():
                for weight, part in zip(weights, direction):
                    weight.add_(part, alpha=factor)
            sides.append(_recorded_calls(model, adaptive, batch))
    result = []
    for module, calls, ahead, behind in zip(adaptive, here, *sides):
        moved = [
            (call, (full_precision(a[0]) - full_precision(b[0])) / (2.0 * step))
            for call, a, b in zip(calls, ahead, behind)
        ]
        try:
            result.append(_raw_gradient(module, moved, check_effect))
        finally:
            module.use_raw()
    return result


def _raw_gradient(
    module: AdaptiveLoss, moved: Sequence[tuple[Call, Tensor]], check_effect: bool
) -> Tensor:
    """-d <v, g> / d raw of one loss, mean over ranks."""
    gradient = torch.zeros_like(module.raw)
    for index, name in enumerate(module.ranges):
        up, down = module.raw.clone(), module.raw.clone()
        if check_effect:
            up[index], down[index] = math.inf, -math.inf  # the ends of the range
            high, low = _pull(module, moved, up), _pull(module, moved, down)
            if high == low != 0.0:
                raise _no_effect(module, name)
        up[index], down[index] = module.raw[index] + RAW_STEP, module.raw[index] - RAW_STEP
        change = _pull(module, moved, up) - _pull(module, moved, down)
        gradient[index] = -change / float(up[index] - down[index])
    all_reduce(gradient, op="mean")
    return gradient


@HOOKS.register_module()
class AdaptiveLossHook(Hook):
    """Moves the numbers of every :class:`AdaptiveLoss` so that training steps lower the clean loss.

    Before every ``interval``-th iteration, one step of Adam along :func:`hyper_gradients` for the batch
    that comes and one clean batch: what the published method does (Shu et al. 2020), to first order in
    the learning rate and with plain gradient descent in place of the optimizer in use. The clean loss
    is the model's with cross entropy in place of each adaptive loss. The values are logged as
    ``<module>.<name>``; with the values, Adam's state is saved and resumed. The clean set starts
    anew on resume.

    The look-ahead is one step: it prefers what lowers the clean loss at once. A larger gradient does
    while the model is still right to move, so a mere weight (``alpha``, ``beta``) drifts to the end of
    its range; learn shapes (``q``, ``a``, ``gamma``), and give a weight a narrow range. The clean loss is
    a mean over pixels, so a rare class hardly counts in it unless ``class_weight`` says so. Backbones
    with ``with_cp=True`` (reentrant checkpointing) cannot be used.

    Args:
        clean_dataloader (dict): Config of a dataloader over images with trusted masks, disjoint from the
            validation set, with a training pipeline without noise. It is gone through again and
            again.
        interval (int): Iterations between two steps. A step costs two to three iterations.
        lr (float): Rate of Adam, in units of ``raw``: about what ``raw`` moves by a step.

    Raises:
        ValueError: For a bad argument; before training if the model has no AdaptiveLoss; at the first
            step if a number does not change the loss.
    """

    def __init__(self, clean_dataloader: dict, interval: int = 10, lr: float = 0.05) -> None:
        if not (math.isfinite(lr) and lr > 0):
            raise ValueError(f"lr must be a positive number, got {lr!r}")
        if not isinstance(clean_dataloader, Mapping) or "dataset" not in clean_dataloader:
            raise ValueError(
                "clean_dataloader must be a dataloader config with a `dataset`, "
                f"got {clean_dataloader!r}"
            )
        self.interval = check_integer("interval", interval, low=1)
        self.lr = lr
        self._config = copy.copy(dict(clean_dataloader))
        self._resumed: dict | None = None
        self._checked = False

    def before_train(self, runner: Runner) -> None:
        """Find the losses, build the clean loader and take up Adam's state of an earlier run."""
        self._model = unwrapped(runner.model)
        self._adaptive = {
            name: module
            for name, module in self._model.named_modules()
            if isinstance(module, AdaptiveLoss)
        }
        if not self._adaptive:
            raise ValueError("AdaptiveLossHook: the model has no loss of type AdaptiveLoss")
        with random_state_kept():
            self._loader = Runner.build_dataloader(self._config, seed=runner.seed)
        self._batches = self._endless()
        self._adam = torch.optim.Adam([m.raw for m in self._adaptive.values()], lr=self.lr)
        if self._resumed is not None:
            self._adam.load_state_dict(self._resumed)
            self._resumed = None

    def _endless(self) -> Iterator[Any]:
        epoch = 0
        while True:
            sampler = getattr(self._loader, "sampler", None)
            if sampler is not None and hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)
            count = 0
            for count, batch in enumerate(self._loader, 1):  # noqa: B007
                yield batch
            if count == 0:
                raise ValueError("AdaptiveLossHook: clean_dataloader has no batch")
            epoch += 1

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """One step of the numbers, if this iteration is on the grid."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        with random_state_kept():
            clean_batch = next(self._batches)
        gradients = hyper_gradients(
            self._model, data_batch, clean_batch, check_effect=not self._checked
        )
        self._checked = True
        if gradients is None:
            return
        for module, gradient in zip(self._adaptive.values(), gradients):
            module.raw.grad = gradient
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        for path, module in self._adaptive.items():
            module.use_raw()
            for name, value in module.values().items():
                runner.message_hub.update_scalar(f"train/{path}.{name}", value)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put Adam's state beside the weights."""
        checkpoint["adaptive_loss_hook"] = self._adam.state_dict()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep Adam's state until training starts."""
        self._resumed = checkpoint.get("adaptive_loss_hook")
