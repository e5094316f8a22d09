-- Notifications that are gone, and whose causes are still to be removed.
CREATE TABLE notification_sweeps (notification_id ID NOT NULL PRIMARY KEY);
