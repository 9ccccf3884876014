_base_ = ["./unet-small_570_anl-ce-flip-0.4_jsrt-48x48.py", "../_base_/average_weights.py"]
