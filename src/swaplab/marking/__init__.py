"""What a converted file says of itself: signed content credentials, a visible label, a sidecar; and how to read it."""
