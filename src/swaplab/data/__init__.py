"""From facesets to batches: splits, sampling order, the LightningDataModule."""
