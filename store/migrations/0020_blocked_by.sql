-- By whom somebody is blocked is asked when he comes online.
CREATE INDEX blocks_blocked ON blocks (blocked_id, active);
