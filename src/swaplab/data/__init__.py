"""From facesets to batches: splits, order, the LightningDataModule."""
