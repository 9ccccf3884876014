"""Packaging. The MMSegmentation family is an extra: both install the same import names."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

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
TEST = ["pytest>=8", "hypothesis>=6"]
# The fused losses on a GPU; CUDA builds of torch bring their own.

setup(
    name="anl_seg",
    version=VERSION,
    description="MMSegmentation losses and mask noise for training under wrong masks",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["anl_seg", "anl_seg.*"]),
    python_requires=">=3.9",
    install_requires=[
        "torch>=2.1",
        "numpy>=1.22",
        "opencv-python>=4.5",
        "scipy>=1.7",
        "matplotlib>=3.5",
        "pillow>=9",
        "rich>=12",
    ],
    extras_require={
        "onedl": ONEDL,
        "openmmlab": OPENMMLAB,
        "triton": ["triton>=3"],
        "tune": ["optuna>=4"],
        "test": TEST,
        "dev": [*TEST, "ruff>=0.6", "pre-commit>=3"],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
