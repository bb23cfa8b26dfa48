"""Thumbnails, normalized pixels and perceptual hashes of pictures."""
