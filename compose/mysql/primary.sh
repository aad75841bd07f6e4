# Sourced once by the image's entrypoint, on the primary's first start.
alterd_password=$(cat /run/secrets/alterd_mysql_password)
replication_password=$(cat /run/secrets/replication_password)

docker_process_sql <<SQL
CREATE USER 'replication'@'%' IDENTIFIED BY '${replication_password}';
GRANT REPLICATION SLAVE ON *.* TO 'replication'@'%';

CREATE USER 'alterd'@'%' IDENTIFIED BY '${alterd_password}';
-- docs/reference/grants.md
GRANT SELECT, INSERT, CREATE, ALTER, DROP, REFERENCES, DELETE, LOCK TABLES, CREATE TEMPORARY TABLES, TRIGGER, CREATE VIEW, SHOW VIEW ON \`shop\`.* TO 'alterd'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, LOCK TABLES ON \`\_alterd\`.* TO 'alterd'@'%';
GRANT SELECT, CREATE, ALTER, DROP, REFERENCES, CREATE VIEW, SHOW VIEW ON \`\_alterd\_scratch\_%\`.* TO 'alterd'@'%';
GRANT SELECT ON \`performance\_schema\`.* TO 'alterd'@'%';
GRANT SESSION_VARIABLES_ADMIN, REPLICATION SLAVE, REPLICATION CLIENT, XA_RECOVER_ADMIN, PROCESS ON *.* TO 'alterd'@'%';
-- for --force-cut-over-after
GRANT CONNECTION_ADMIN ON *.* TO 'alterd'@'%';

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL);
INSERT INTO shop.customer (name) VALUES ('Ann'), ('Bob'), ('Cleo');
SQL
