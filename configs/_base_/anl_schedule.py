# What ANLCELoss() is recommended with, and a WarmStartLoss of any other loss: cross entropy and Dice that
# fade out between a fifth and four fifths of training, so that every class has started when the loss takes
# over, and a running average of the weights over about 50 iterations. The hooks stand in the package.
custom_hooks = list(
    __import__("anl_seg.config.anl_schedule", fromlist=["ANL_SCHEDULE"]).ANL_SCHEDULE
)
