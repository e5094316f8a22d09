"""Taking files in: the state machine of an upload, its front ends, and what makes an object."""
