-- Who has hidden a message is asked whenever it is edited or deleted.
CREATE INDEX hidden_message ON hidden_messages (message_id);
