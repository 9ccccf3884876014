_base_ = ["./unet-small_570_ce_jsrt-48x48.py", "../_base_/anl_schedule.py"]
model = dict(decode_head=dict(loss_decode=dict(_delete_=True, type="anl_seg.ANLCELoss")))
