"""Where the record of a run is shown: one file per service, and what all of them share."""
