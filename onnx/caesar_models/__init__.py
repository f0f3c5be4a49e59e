"""Training, integer conversion, export and checking of the networks that the codec runs."""
