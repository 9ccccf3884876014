_base_ = ["./unet-small_480_ce_synthetic-64x64.py", "../_base_/anl_schedule.py"]
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss")))
