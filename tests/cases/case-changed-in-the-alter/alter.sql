alter table t modify column FIRSTNAME varchar(25), drop column lastname, add column MIDDLE int after ID;
