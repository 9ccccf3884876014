"""Noise configs and the SHA-256 of their masks, made by ``pinned_hash`` of test_pinned_noise.py."""

from __future__ import annotations

PINNED = [
    (
        {"type": "SymmetricNoise", "rate": 0.4},
        "77c1130bc5a8f0b5fc6e335fb041e7d0cea743f7256a9b7c0fa4d993ce07f782",
    ),
    (
        {"type": "PairNoise", "rate": 0.4},
        "d420571ac3f1c7bc6c14cf89e7355ac963f2e88a55abd98e9dc34e4078f2f251",
    ),
    (
        {
            "type": "TransitionMatrixNoise",
            "matrix": [
                [0.7, 0.1, 0.1, 0.1],
                [0.2, 0.8, 0, 0],
                [0, 0.3, 0.4, 0.3],
                [0, 0, 0.5, 0.5],
            ],
        },
        "b8b196e71f9440da51b1cfc5ea25168d9510945eaf6c45d2842543d191a721e4",
    ),
    (
        {"type": "InstanceDependentNoise", "rate": 0.4},
        "8cce6e6ecd2ec267aa40bd8b78fc93eb92861c8667c9f9cabaeb403113b3f6e3",
    ),
    (
        {"type": "SuperpixelNoise", "n_segments": 40},
        "82b83d285ef8ea14ebb3714e9d12e80a7dd3efc758e65d95f37b1959b4aba2a2",
    ),
    (
        {"type": "DilateNoise", "beta": 0.4},
        "1334af0e385a07d374d4f0485280c5f07d9057fe230f592c66988775c7aeba2d",
    ),
    (
        {"type": "ErodeNoise", "beta": 0.4, "background": None},
        "1ede5ee69495018ad51941a6c0e2327ec5d44a914e7dfd89181ea15de12d9951",
    ),
    (
        {"type": "AffineNoise", "beta": 0.4},
        "66cfae58a4ee31893e5289e00c2b2688b942e34bfb9f54ace84efec77cb813d7",
    ),
    (
        {"type": "AlphaBetaNoise", "alpha": 1, "beta": 0.5},
        "509b54ca804e72b721ef13f33ab06b1c63b8ee6ca4d056723def435260bedc8d",
    ),
    (
        {"type": "BandNoise", "low": 1, "high": 5},
        "047c9d217c47fcb848e6d5548cf2e665d64da270fede2a670cf76d628467e464",
    ),
    (
        {
            "type": "BandNoise",
            "low": [0, 1, 2, 1],
            "high": 4,
            "metric": "chessboard",
            "per_object": True,
        },
        "a0400f5b63f75162342f4ee8f474a15e524d1a55e7682755d528404526a2c4a9",
    ),
    (
        {"type": "MarkovBoundaryNoise", "steps": 40, "theta1": 0.7, "theta2": 0.2, "theta3": 0.2},
        "b1e18f1d3b1b999d1dd55f45c93f9ed65dfcd91f41c3150f7e4f969cc2239994",
    ),
    (
        {
            "type": "MarkovBoundaryNoise",
            "steps": [0, 20, 30, 10],
            "theta1": 0.3,
            "theta2": 0.2,
            "theta3": 0,
            "per_object": True,
        },
        "e98102aa2d6035f959b872da1fd2bf120f981a807ea211f95f8e0621a5cb6d5e",
    ),
    (
        {"type": "ElasticNoise", "alpha": 60, "sigma": 3, "min_area": 30},
        "c595ce5946de298395b6ea6a0e7f92e879d73068f0597281c5de34a6e16c13c2",
    ),
    (
        {"type": "PolygonNoise", "tolerance": 4},
        "1fd50646cb082d4f92d5f324e76041afda752abc234a826a4a784b072423bdef",
    ),
    (
        {"type": "VertexNoise", "sigma": 2},
        "34dd0efd41e76545e912b45ef0cafd8234a7b5f4c77773f8f33f1d6ba442d736",
    ),
    (
        {"type": "VertexNoise", "sigma": 3, "tolerance": 2},
        "ed3a12d46406cd74a3d2bbbb378a36e39f73de8f808558ce8425afcdc94b1a54",
    ),
    (
        {"type": "BoundingBoxNoise", "rate": 0.6},
        "2badf2967c703c075e5bc086ec9df590012a980ae3afbef55e95c93884677568",
    ),
    (
        {"type": "ClassSwapNoise", "rate": 0.7},
        "6237fbf5bac6192755d33a620f4cf433c03ce827ea6c75ba523841dc420cbc81",
    ),
    (
        {
            "type": "ClassSwapNoise",
            "matrix": [
                [0.7, 0.1, 0.1, 0.1],
                [0.2, 0.8, 0, 0],
                [0, 0.3, 0.4, 0.3],
                [0, 0, 0.5, 0.5],
            ],
        },
        "6ac1613117a2c9d02da89326f37d96745d4949b42ecf501377245c689356eae5",
    ),
    (
        {"type": "MissingObjectNoise", "rate": 0.5},
        "c9855a4b0eca1cb1c58a00bf652230e8b31068360d03cd99e1c1dbe8a6dfbf69",
    ),
    (
        {"type": "SpuriousObjectNoise", "rate": 0.8},
        "5197414efeee37f096b1ea3dfefb70aed7b73129c7695f53ecc8e9c636af5b2b",
    ),
    (
        {"type": "SpuriousObjectNoise", "rate": 0.8, "shapes": [[1, 0.05, 0.4], [3, 0.1, 1.0]]},
        "b9250aa3e924692ec0efd30113e0754d8ccce835929cd1612a5b1b625ec78286",
    ),
    (
        {
            "type": "RandomChoiceNoise",
            "noises": [
                None,
                {"type": "PolygonNoise", "tolerance": 3},
                {"type": "DilateNoise", "beta": 0.3},
                {"type": "ErodeNoise", "beta": 0.3},
            ],
            "weights": [1, 2, 2, 2],
            "per_object": True,
        },
        "b7541676b82a9e34ae2bc94473c76bc5be4d3bd3f416274553b13f2797187b37",
    ),
    (
        {
            "type": "SequentialNoise",
            "noises": [
                {"type": "MissingObjectNoise", "rate": 0.3},
                {"type": "SymmetricNoise", "rate": 0.1},
            ],
        },
        "dc445bf7d013af9bf693a5fec603749893d2311857a52efa3be808853bcab6a8",
    ),
    (
        {"type": "alpha_beta", "alpha": 1, "beta": 0.7},
        "022bd63f3608db2546bcd5437f25456e8442ddcd6dbdd8e113699136a1c47c82",
    ),
    (
        {"type": "markov_jsrt_j1"},
        "d6c3ad074bed90ffd6c6bc1d7b3ef8f89c3bd422f38cc2c88aa8b8769db8b73e",
    ),
    (
        {"type": "markov_jsrt_j2"},
        "f1c4e2296d3a1abe80f0e65856afa729af03d47f4d1739edc98575a958ec71f9",
    ),
    (
        {"type": "band_jsrt_j3"},
        "6698faf51adbc5e834e26907492223f49a448b4de8b750bf42577884078cf929",
    ),
    (
        {"type": "markov_isic_i1"},
        "4864004b0f5b091b7d25aee619e773eac178407010889dcf1ab4bed8136c0c39",
    ),
    (
        {"type": "markov_isic_i2"},
        "248cc6c5ca40be5a09062eedaa5b01db83c48172444ee90ace335b1b1cd244dd",
    ),
    (
        {"type": "band_isic_i3"},
        "04f7774a9b01b8d66885622b6ccab1d0eabdc3908a8f06e604c4e7f1813008c6",
    ),
    (
        {"type": "coco_n", "level": "easy"},
        "82814ccfa8a81e8c8045f36ba3e997168f72e91253f1bdcd9f16667c827ad09a",
    ),
    (
        {"type": "coco_n", "level": "medium"},
        "df88af465c93d75372198c43e1af612d57621c34f9efdf357d23c94e4ff9af62",
    ),
    (
        {"type": "coco_n", "level": "hard"},
        "c8c0d14f1b7f4a88ccb8c090608c29baceeacb14fae9e3b079b4182cb6290f76",
    ),
    (
        {"type": "omission", "level": "mild"},
        "6f6e2856935ec84ed64385340b4ca220bac3f8e053e5500a4979a7ebe102c382",
    ),
    (
        {"type": "omission", "level": "moderate"},
        "02b3cc383c1a49420fcf02e2e391874932cff186e10e4c5c3b801f0417113275",
    ),
    (
        {"type": "omission", "level": "severe"},
        "dba9b0e10c6eb07c3a08db41b072f1f9b8ab3ba8cf025522859f18673d52f864",
    ),
    (
        {"type": "nsegment", "probability": 1},
        "b5fd8f885935feaed33f125b4e2b8132cbac69a53e67dca3a003e9656e31f697",
    ),
]
