"""Rate control: a file of a given size, or a picture of a given PSNR."""
