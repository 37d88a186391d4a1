"""What may leave a store: the release policy, the check of what leaves, the audit log."""
