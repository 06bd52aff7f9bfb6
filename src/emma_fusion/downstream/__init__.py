"""Does fusing help a machine see? Segmentation and detection on each kind of input image."""
