SET @id = 1 + FLOOR(RAND() * 1000);
REPLACE INTO t (id, u, n) VALUES (@id, @id * 2 + 4, @round);
REPLACE INTO t (id, u, n) VALUES (@id + 3, @id * 2, -@round), (2000 + @id, @id * 2 + 10, 0);
