"""From the bytes of a file to uint8 arrays: the one decoder, the loader, augmentation, statistics and fingerprints."""
