UPDATE t SET a = a + 1, pad = CONCAT('by ', @session, ' in ', @round);
