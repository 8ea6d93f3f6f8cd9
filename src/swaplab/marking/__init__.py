"""Marks of converted files: signed content credentials, a visible label and a sidecar; and their verification."""
