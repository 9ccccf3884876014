_base_ = [
    "../_base_/models/unet-s5-d16_isic2017.py",
    "../_base_/datasets/isic2017_256x256.py",
    "../_base_/schedules/adam_12k.py",
    "../_base_/default_runtime.py",
]
