# Sourced once by the image's entrypoint, on the replica's first start.
replication_password=$(cat /run/secrets/replication_password)

# RESET: what the first start itself wrote must not stand in the way of the primary's transactions.
# PERSIST ONLY: takes effect when the server starts for good; before, the entrypoint still has to write.
docker_process_sql <<SQL
RESET BINARY LOGS AND GTIDS;
CHANGE REPLICATION SOURCE TO
    SOURCE_HOST = 'mysql-primary', SOURCE_USER = 'replication', SOURCE_PASSWORD = '${replication_password}',
    SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, GET_SOURCE_PUBLIC_KEY = 1;
SET PERSIST_ONLY super_read_only = ON;
SQL
