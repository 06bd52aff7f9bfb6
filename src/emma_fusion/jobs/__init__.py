"""What is asked for and how it is done, for the command line and the page alike."""
