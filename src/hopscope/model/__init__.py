"""The nouns as frozen data: no I/O, no behaviour beyond reading themselves."""
