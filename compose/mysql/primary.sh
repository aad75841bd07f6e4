# Sourced once by the image's entrypoint, on the primary's first start.
alterd_password=$(cat /run/secrets/alterd_mysql_password)
replication_password=$(cat /run/secrets/replication_password)

docker_process_sql <<SQL
CREATE USER 'replication'@'%' IDENTIFIED BY '${replication_password}';
GRANT REPLICATION SLAVE ON *.* TO 'replication'@'%';

CREATE USER 'alterd'@'%' IDENTIFIED BY '${alterd_password}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, CREATE VIEW, SHOW VIEW,
      LOCK TABLES, PROCESS, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE, CREATE USER
      ON *.* TO 'alterd'@'%' WITH GRANT OPTION;
GRANT CONNECTION_ADMIN, SESSION_VARIABLES_ADMIN ON *.* TO 'alterd'@'%';

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL);
INSERT INTO shop.customer (name) VALUES ('Ann'), ('Bob'), ('Cleo');
SQL
