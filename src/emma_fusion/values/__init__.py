"""From what a sensor counted to what is shown: mending, ranges, palettes."""
