"""Measurements that take minutes: of this server alone, and beside others."""
