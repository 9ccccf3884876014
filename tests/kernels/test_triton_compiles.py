"""The Triton kernels compile for a GPU, which takes none: what the interpreter lets through is not all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from anl_seg.kernels import cuda

pytestmark = [
    pytest.mark.interpreter,
    pytest.mark.process(warm=False),
    pytest.mark.skipif(not cuda.available(), reason="needs triton"),
]

# In a process of its own: where TRITON_INTERPRET was set before, nothing compiles.
PROGRAM = """
import json, os, sys
os.environ.pop("TRITON_INTERPRET", None)
import triton.language as tl
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from anl_seg.kernels import cuda, mass_balance_triton, softmax_triton, terms

parts = (terms.CrossEntropy(), terms.NormalizedCrossEntropy(5.0), terms.NormalizedNegativeFocal(),
         terms.GeneralizedCrossEntropy(), terms.ReverseCrossEntropy())
(launch,) = cuda._launches(parts)
constants = {"ACC": tl.float32, "MASS_MIN": 0.05, "TERMS": launch.table}
floats = ("logits", "loss", "saved", "partial_mass", "grad_loss", "grad_mass", "grad", "factors")
types = {"target": "*i64", "report": "*i64", "weights": "*fp64", "sizes": ("i64",) * 7,
         "grad_sizes": ("i64",) * 5, **dict.fromkeys(floats, "*fp32")}
found = {}
for kernel in (softmax_triton.forward_kernel, softmax_triton.backward_kernel,
               mass_balance_triton.class_weights_kernel):
    for shape in ((19, False, 255, 32, 128), (300, False, 255, 64, 64)):
        given = {"SHAPE": shape, **constants}
        names = kernel.arg_names
        signature = {n: "constexpr" if n in given else types[n] for n in names}
        values = {(i,): given[n] for i, n in enumerate(names) if n in given}
        compiled = compile(ASTSource(kernel, signature, values), target=GPUTarget("cuda", 90, 32))
        found[f"{kernel.__name__} {shape[0]}"] = compiled.asm["ptx"].count("ld.global")
json.dump(found, sys.stdout)
"""


def test_for_few_classes_and_for_many():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    loads = json.loads(done.stdout)
    assert len(loads) == 6
    assert all(count > 0 for count in loads.values()), loads
