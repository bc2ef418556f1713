CREATE TABLE numbers (
  id bigint unsigned AUTO_INCREMENT PRIMARY KEY,
  ti tinyint, si smallint unsigned, mi mediumint, i int(6) zerofill, bi bigint, flag bool,
  de decimal(65, 30), f float, fd float(7, 2), d double, dd double(12, 4), bits bit(11), one bit
);
SET @big = '99999999999999999999999999999999999.999999999999999999999999999999';
INSERT INTO numbers (ti, si, mi, i, bi, flag, de, f, fd, d, dd, bits, one) VALUES
  (-128, 65535, -8388608, 42, -9223372036854775808, 1, @big, 0.1, 12345.67, 0.1, 1.0001, b'10000000001', b'1'),
  (127, 0, 8388607, 999999, 9223372036854775807, 0, -0.000000000000000000000000000001, 1.17549435e-38, -0.01, 5e-324, -1, 0, 0),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, -3.40282347e38, NULL, 1.7976931348623157e308, NULL, b'1011100', NULL),
  (0, 0, 0, 0, 0, 0, 0, -0e0, 0, -0e0, 0, 39, 1),
  (1, 1, 1, 1, 1, 1, 1, 16777217, 33.33, 0.30000000000000004, 3.3333, 10, 1);
UPDATE numbers SET id = 9223372036854775000 WHERE id = 5;
ALTER TABLE numbers AUTO_INCREMENT = 9223372036854775700;

CREATE TABLE texts (
  id int PRIMARY KEY,
  c char(20), v varchar(200) CHARACTER SET latin1, u varchar(20) CHARACTER SET utf16, w varchar(20) CHARACTER SET utf32,
  k varchar(20) CHARACTER SET cp1251 COLLATE cp1251_bulgarian_ci, t text, lt longtext, s varchar(50) CHARACTER SET sjis,
  ai varchar(20) COLLATE utf8mb4_0900_ai_ci, cs varchar(20) COLLATE utf8mb4_0900_as_cs, ja varchar(20) COLLATE utf8mb4_ja_0900_as_cs_ks, ob varchar(20) COLLATE utf8mb4_0900_bin,
  b binary(8), vb varbinary(300), bl blob, lb longblob, e enum ('a', 'b', '', 'é', 'it''s'), se set ('x', 'y', 'ü'),
  KEY (v(10)), FULLTEXT KEY words (t), KEY lowered ((lower(c))), KEY hidden (id) INVISIBLE, KEY down (v DESC)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci COMMENT 'it''s a `table` \\ with "quotes"';
INSERT INTO texts VALUES
  (1, 'plain', 'naïve', 'ünï', '😀', 'дума', 'tab\tnew\nline\r\\back''quote"double\0nul\Zsub', REPEAT('long ', 60000), 'ソ表', 'ä', 'Ä', 'はハ', 'z ',
    X'00FF0A0D5C27221A', X'0000000A', X'', REPEAT(X'00FF5C270A', 40000), 'a', 'x,y'),
  (2, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', ''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'NULL', '(1,2),', '),(', 'N', '\\', '\\N', '_utf8mb4''x''', ''',', 'a', 'a ', 'a', 'a', X'27', X'5C', X'282C', X'295C', 'it''s', 'ü,x'),
  (5, '   ', 'trail  ', 'x ', '', '', '', '', '', ' ', ' ', ' ', ' ', X'20', X'2020', X'20', '', 'é', 'x');
INSERT IGNORE INTO texts (id, e) VALUES (6, 'no such');
INSERT INTO texts (id, vb) SELECT 100 + n, CHAR(n) FROM numbers_to.n WHERE n < 256;

CREATE TABLE documents (
  id int PRIMARY KEY, j json, name varchar(20) AS (j ->> '$.name') STORED, other json);
INSERT INTO documents (id, j, other) VALUES
  (1, '{"a": [1, 2.50, -0.0, 1e300, 12345678901234567890], "name": "it''s", "t": "\\n\\u0000\\ud83d\\ude00"}', '[3, 1, 4]'),
  (2, 'null', NULL), (3, NULL, '[]'), (4, '"just text"', '7'), (5, '{}', NULL), (6, JSON_ARRAY(REPEAT('x', 100000)), NULL);
CREATE TABLE tagged (id int PRIMARY KEY, tags json, KEY ((CAST(tags AS unsigned ARRAY))));
INSERT INTO tagged VALUES (1, '[3, 1, 4]'), (2, '[]'), (3, NULL);
CREATE TABLE vectors (id int PRIMARY KEY, v vector(3));
INSERT INTO vectors VALUES (1, STRING_TO_VECTOR('[1, -0.1, 1e30]')), (2, NULL);

CREATE TABLE times (
  d date, t time(6), dt datetime(6), ts timestamp(3) NULL, y year, plain timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()
);
INSERT INTO times VALUES
  ('2026-11-26', '-838:59:59.000000', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.499', 2155, '1970-01-01 00:00:01'),
  ('0000-00-00', '838:59:59', '0000-00-00 00:00:00', 0, 0, 0),
  ('2020-00-00', '00:00:00.000001', '2020-02-31 10:00:00', NULL, 1901, '2026-03-29 02:30:00'),
  (NULL, NULL, NULL, NULL, NULL, '2026-10-25 02:30:00'),
  (NULL, NULL, NULL, NULL, NULL, '2026-10-25 02:30:00');

CREATE TABLE shapes (
  id int AUTO_INCREMENT PRIMARY KEY, g geometry NOT NULL SRID 0, p point, earth point SRID 4326, ls linestring, po polygon, gc geometrycollection, SPATIAL KEY (g)
);
INSERT INTO shapes (g, p, earth, ls, po, gc) VALUES
  (ST_GeomFromText('POINT(1.5 -2)'), ST_GeomFromText('POINT(0 0)', 4326), ST_GeomFromText('POINT(52.5 13.4)', 4326), ST_GeomFromText('LINESTRING(0 0, 1 1)'),
   ST_GeomFromText('POLYGON((0 0, 0 1, 1 1, 0 0))'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')),
  (ST_GeomFromText('POLYGON((0 0, 0 9, 9 9, 0 0))'), NULL, NULL, NULL, NULL, NULL);

CREATE TABLE computed (
  a int DEFAULT 7 INVISIBLE, b int, twice int GENERATED ALWAYS AS (b * 2) STORED, thrice int AS (b * 3) VIRTUAL,
  label varchar(20) DEFAULT (concat('n', 1 + 1)), made datetime DEFAULT (now()), CONSTRAINT small CHECK (b < 1000), CONSTRAINT lax CHECK (b > 5) NOT ENFORCED,
  KEY (twice), KEY (b DESC) INVISIBLE
);
INSERT INTO computed (a, b) VALUES (1, 1), (2, 2), (2, 2), (NULL, NULL);
CREATE TABLE only_computed (v int AS (1 + 1) VIRTUAL, w int AS (2) STORED);
INSERT INTO only_computed VALUES (), (), ();
CREATE TABLE duplicates (a int, b varchar(10));
INSERT INTO duplicates SELECT 1, 'x' FROM numbers_to.n WHERE n BETWEEN 1 AND 10;
CREATE TABLE nothing (a int);
CREATE TABLE `od``d "näme"` (`col``umn` int PRIMARY KEY, `select` varchar(10) COMMENT 'a ``comment''');
INSERT INTO `od``d "näme"` VALUES (1, 'ä');

CREATE TABLE events (id int NOT NULL, n int, PRIMARY KEY (id))
  PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (1000), PARTITION p2 VALUES LESS THAN MAXVALUE COMMENT 'rest');
INSERT INTO events SELECT n * 10, n FROM numbers_to.n WHERE n BETWEEN 1 AND 150;
CREATE TABLE hashed (id int PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3;
INSERT INTO hashed SELECT n FROM numbers_to.n WHERE n BETWEEN 1 AND 20;
CREATE TABLE parted (id int, part int) PARTITION BY RANGE (id) SUBPARTITION BY HASH (part) SUBPARTITIONS 2
  (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE);
INSERT INTO parted VALUES (1, 1), (20, 2);

CREATE TABLE parent (id int PRIMARY KEY, other int, KEY (other));
CREATE TABLE child (id int PRIMARY KEY, parent int, CONSTRAINT belongs FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE SET NULL);
ALTER TABLE parent ADD CONSTRAINT circle FOREIGN KEY (other) REFERENCES child (id);
INSERT INTO parent VALUES (1, NULL), (2, NULL);
INSERT INTO child VALUES (1, 1), (2, NULL);
UPDATE parent SET other = 2 WHERE id = 1;

CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, word text) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
INSERT INTO notes (word) VALUES ('kept'), ('removed');
DELETE FROM notes WHERE word = 'removed';
CREATE TABLE fresh (id int AUTO_INCREMENT PRIMARY KEY, word text);

CREATE FUNCTION rank_of (m int) RETURNS int DETERMINISTIC COMMENT 'it''s' RETURN m + 1;
CREATE FUNCTION lengthy (t text) RETURNS varchar(50) CHARACTER SET utf8mb4 NO SQL DETERMINISTIC SQL SECURITY INVOKER RETURN CONCAT('é', LENGTH(t));
CREATE PROCEDURE refill (IN many int, OUT done int, INOUT both_ways text)
  BEGIN INSERT INTO nothing SELECT id FROM hashed WHERE id <= many; SET done = many; END;
CREATE VIEW z_base AS SELECT p.id, c.id AS child FROM parent p LEFT JOIN child c ON c.parent = p.id;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW a_first AS SELECT id, rank_of(id) AS r, 'é' AS letter FROM z_base;
CREATE VIEW checked AS SELECT id, other FROM parent WHERE id < 100 WITH CASCADED CHECK OPTION;
CREATE TRIGGER numbers_in BEFORE INSERT ON numbers FOR EACH ROW SET NEW.ti = COALESCE(NEW.ti, 0);
CREATE TRIGGER numbers_before BEFORE INSERT ON numbers FOR EACH ROW PRECEDES numbers_in SET NEW.flag = 1;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' COMMENT 'é' DO DELETE FROM nothing;
CREATE EVENT off ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO DELETE FROM nothing;
