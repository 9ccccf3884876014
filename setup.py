"""Packaging. The MMSegmentation family is an extra: both install the same import names."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (ROOT / "anl_seg/version.py").read_text()).group(1)

ONEDL = [
    "onedl-mmsegmentation>=1.4,<2",
    "onedl-mmengine>=0.10.8,<0.11",
    "onedl-mmcv>=2.3,<3",
]
OPENMMLAB = [
    "mmsegmentation>=1.2,<2",
    "mmengine>=0.10,<0.11",
    "mmcv>=2.1,<2.2",
    # Imported by mmseg, and not named by its wheel.
    "ftfy",
    "regex",
    # `mmseg::` configs of mmengine 0.10 need pkg_resources.
    "setuptools<81",
]
#: Reports of studies.
STUDY = ["pandas>=2", "matplotlib>=3.7"]
#: Studies on many machines.
RAY = ['ray>=2.9; python_version < "3.14"']
#: The search of tools/tune_loss.py.
TUNE = ["optuna>=4"]
#: The fused losses on a GPU; CUDA builds of torch bring their own. The tests use its interpreter.
TRITON = ['triton>=3.4; sys_platform == "linux"']
TEST = ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6", *STUDY, *RAY, *TUNE, *TRITON]
# The fused losses on a CPU: plain C that needs no Python header. Without a compiler the package installs
# all the same, and torch operations take its place.
OPENMP = ["-fopenmp"] if sys.platform == "linux" else []  # there it is the runtime that torch loads
SOFTMAX_CPU = Extension(
    "anl_seg.kernels._softmax_cpu",
    sources=["anl_seg/kernels/softmax_cpu.c"],
    extra_compile_args=[]
    if sys.platform == "win32"
    else ["-O3", "-fno-math-errno", "-fno-trapping-math", *OPENMP],
    extra_link_args=OPENMP,
    optional=True,
)

setup(
    name="anl_seg",
    version=VERSION,
    description="MMSegmentation losses and mask noise for training under wrong masks",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["anl_seg", "anl_seg.*"]),
    entry_points={"console_scripts": ["anl-seg = anl_seg.cli:main"]},
    package_data={
        "anl_seg": ["py.typed"],
        "anl_seg.kernels": ["softmax_cpu.c"],
        "anl_seg.browse": ["templates/*.j2"],
        "anl_seg.study.report": ["templates/*.j2"],
    },
    ext_modules=[SOFTMAX_CPU],
    python_requires=">=3.9",
    install_requires=[
        "torch>=2.1",
        "numpy>=1.22",
        "opencv-python>=4.5",
        "scipy>=1.7",
        "jinja2>=3",
        "matplotlib>=3.5",
        "pillow>=9",
        "rich>=12",
    ],
    extras_require={
        "onedl": ONEDL,
        "openmmlab": OPENMMLAB,
        "triton": TRITON,
        "study": STUDY,
        "ray": RAY,
        "tune": TUNE,
        "test": TEST,
        "dev": [*TEST, "ruff>=0.6", "mypy>=1.15", "types-PyYAML", "pre-commit>=3"],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
