-- privacy-events
BEGIN TRANSACTION;
CREATE TABLE cells (
	name TEXT NOT NULL, 
	month TEXT NOT NULL, 
	week TEXT NOT NULL, 
	day TEXT NOT NULL, 
	start TEXT NOT NULL, 
	"row" TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	amount BIGINT NOT NULL, 
	visitors BIGINT NOT NULL, 
	PRIMARY KEY (name, month, week, day, start, "row")
)
 WITHOUT ROWID

;
CREATE TABLE cursors (
	segment TEXT NOT NULL, 
	"offset" BIGINT NOT NULL, 
	PRIMARY KEY (segment)
);
INSERT INTO "cursors" VALUES('vm-31521-d6c2aaee67557df1.events',4125);
CREATE TABLE distinct_visitors (
	window TEXT NOT NULL, 
	visitors BIGINT NOT NULL, 
	exact BOOLEAN NOT NULL, 
	day TEXT NOT NULL, 
	PRIMARY KEY (window)
);
CREATE TABLE events (
	at TEXT NOT NULL, 
	visitor TEXT NOT NULL, 
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	visit TEXT NOT NULL, 
	page TEXT, 
	previous TEXT, 
	referrer TEXT, 
	browser TEXT, 
	platform TEXT, 
	provider TEXT, 
	network TEXT, 
	data TEXT NOT NULL, 
	PRIMARY KEY (at, visitor, id)
)
 WITHOUT ROWID

;
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','DK62__c1YHYDm25p2l7fXg','Ljl9M5_NNGOT00000000','page_view','IOhvMknz2hBLKLd2','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','DK62__c1YHYDm25p2l7fXg','Ljl9M5_NNGOT00000001','page_view','IOhvMknz2hBLKLd2','/other',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','DK62__c1YHYDm25p2l7fXg','cXp-1r_iXAevYuOF','visit_start','IOhvMknz2hBLKLd2','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','Vwkf6vuR84QxFN-J9vWvqw','Ljl9M5_NNGOT00000004','page_view','ldtS6Yx3vCmJ7CeQ','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','Vwkf6vuR84QxFN-J9vWvqw','Ljl9M5_NNGOT00000005','page_view','ldtS6Yx3vCmJ7CeQ','/other',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','Vwkf6vuR84QxFN-J9vWvqw','jfsQJ-htS3_A0fTm','visit_start','ldtS6Yx3vCmJ7CeQ','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','qS1lW2IWdixM8GvM-ENy9g','Ljl9M5_NNGOT00000006','page_view','mRJNn_yF-nDkADCr','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','qS1lW2IWdixM8GvM-ENy9g','Ljl9M5_NNGOT00000007','page_view','mRJNn_yF-nDkADCr','/other',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','qS1lW2IWdixM8GvM-ENy9g','tIIXZqwia_Br0NeK','visit_start','mRJNn_yF-nDkADCr','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','sAKpJT6Qt3AiSDYeCOybUA','Ljl9M5_NNGOT00000002','page_view','DPIAh3i5DuUImCfR','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','sAKpJT6Qt3AiSDYeCOybUA','Ljl9M5_NNGOT00000003','page_view','DPIAh3i5DuUImCfR','/other',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
INSERT INTO "events" VALUES('2026-05-08T12:00:00.000Z','sAKpJT6Qt3AiSDYeCOybUA','sIONOZjuLW-dPhbI','visit_start','DPIAh3i5DuUImCfR','/',NULL,NULL,'Other','Other',NULL,'127.0.0.0/24','{}');
CREATE TABLE late (
	visitor TEXT NOT NULL, 
	id TEXT NOT NULL, 
	piece TEXT NOT NULL, 
	PRIMARY KEY (visitor, id)
);
CREATE TABLE malformed (
	segment TEXT NOT NULL, 
	"offset" BIGINT NOT NULL, 
	line TEXT NOT NULL, 
	PRIMARY KEY (segment, "offset")
);
CREATE TABLE people (
	visitor TEXT NOT NULL, 
	last TEXT NOT NULL, 
	counted BOOLEAN NOT NULL, 
	seen BOOLEAN NOT NULL, 
	PRIMARY KEY (visitor)
)
 WITHOUT ROWID

;
CREATE TABLE pieces (
	start TEXT NOT NULL, 
	until TEXT NOT NULL, 
	day TEXT NOT NULL, 
	whole BOOLEAN NOT NULL, 
	PRIMARY KEY (start)
);
CREATE TABLE placed (
	name TEXT NOT NULL, 
	start TEXT NOT NULL, 
	total TEXT NOT NULL, 
	rows TEXT NOT NULL, 
	PRIMARY KEY (name, start)
);
CREATE TABLE privacy_keys (
	part TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	PRIMARY KEY (part, fingerprint)
);
INSERT INTO "privacy_keys" VALUES('events','e2c446bb497f9cb2ae7114e1af11fba6190fce9a569ac5ee3ba9a31109a0dff9','',1);
CREATE TABLE tombstones (
	hash TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	day TEXT NOT NULL, 
	clean BOOLEAN NOT NULL, 
	PRIMARY KEY (hash)
);
INSERT INTO "tombstones" VALUES('c37db09ecc7b9679ec8bdcfa78dee92ca6d0bcfe3b55a23175a214bb5775189b','test','2026-05-08',1);
CREATE UNIQUE INDEX events_key ON events (visitor, id);
CREATE INDEX people_seen ON people (counted) WHERE seen = 1;
COMMIT;
-- privacy-ledger
BEGIN TRANSACTION;
CREATE TABLE entries (
	position INTEGER NOT NULL, 
	entry TEXT NOT NULL, 
	at TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	receipt TEXT NOT NULL, 
	replaces TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	purposes TEXT NOT NULL, 
	services TEXT NOT NULL, 
	withdrawn TEXT NOT NULL, 
	source TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	text TEXT NOT NULL, 
	gpc BOOLEAN NOT NULL, 
	detail TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	subject_key TEXT NOT NULL, 
	chain_key TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (position), 
	UNIQUE (entry)
);
INSERT INTO "entries" VALUES(1,'PGCfyNIhcrh_7q2F','2026-05-08T12:00:00.000Z','grant','_PX4VSE_FJNkGId8v8EISA','','2026-11-24','7OoSegOHnf6Q','["customisation", "statistics"]','[]','[]','api','','',0,'','','','test','40cf61c7e34b21ba3f12016963202b3eae7f0b80bac5468b8e6120ec20f2dc39');
INSERT INTO "entries" VALUES(2,'uS4g-ZgE04wKEKMC','2026-05-08T12:00:00.000Z','grant','RpZNxnSwU_VEdy57TTUj2A','','2026-11-24','7OoSegOHnf6Q','["customisation", "statistics"]','[]','[]','api','','',0,'','','','test','2e56585177f626d44dccf77719272c340f06f67195bcf0e56fe2a02abc61bd0d');
INSERT INTO "entries" VALUES(3,'YPisicL3j-aNc7e1','2026-05-08T12:00:00.000Z','grant','lRjCcTajjrxoYk4A-WQvNg','','2026-11-24','7OoSegOHnf6Q','["customisation", "statistics"]','[]','[]','api','','',0,'','','','test','564a3255fbdcf7f41e272f5a62d62bd7204ed5567caa7efca744390ad51e6158');
INSERT INTO "entries" VALUES(4,'hAvP4YObofG-vRFX','2026-05-08T12:00:00.000Z','grant','fHYNvc0pXjx5QLgXaCEVfA','','2026-11-24','7OoSegOHnf6Q','["customisation", "statistics"]','[]','[]','api','','',0,'','','','test','6c4715fc6dd7f8831360fa93c3ebea92268ed0e3dd47681c27eb23864ae4d57e');
INSERT INTO "entries" VALUES(5,'IoplSa3B9mNWh6E-','2026-05-08T12:00:00.000Z','grant','fMhWg-fVb-c6Ox3ix8nlKw','','2026-11-24','7OoSegOHnf6Q','["customisation", "statistics"]','[]','[]','api','','',0,'','','','test','52d06dee4033417636b5e551b52362f102822b75139a76f873346a7a5afb0c00');
INSERT INTO "entries" VALUES(6,'AwoK2o95MqXpdX-E','2026-05-08','refusal','','','2026-11-24','7OoSegOHnf6Q','[]','[]','[]','api','','',0,'','','','test','9318983f0acaec2bbe133c54adc2779cff73c4a5c9bb4f4375626501465e9d57');
INSERT INTO "entries" VALUES(7,'9R3EF5Q5jOYC8hK7','2026-05-08T12:00:00.000Z','withdrawal','','fMhWg-fVb-c6Ox3ix8nlKw','2026-11-24','7OoSegOHnf6Q','[]','[]','["customisation", "statistics"]','api','','',0,'','c37db09ecc7b9679ec8bdcfa78dee92ca6d0bcfe3b55a23175a214bb5775189b','test','test','a055db2c9d677ebe6b16e3d622f590321f0bc36dc3acb8d518619be8dd999e48');
INSERT INTO "entries" VALUES(8,'rihhuHALcUPZr_z9','2026-05-08T12:00:00.000Z','opt-in','','','2026-11-24','','["marketing"]','[]','[]','form','','',0,'{"list": "marketing"}','fdc0dbf7a1822355c83a643bf46c95bb','test','test','219337923c8f1f3d4bf6cb61081c5c8705218b738ebe3f184244abf8f69af465');
INSERT INTO "entries" VALUES(9,'1Gz-OVlc2leCbXof','2026-05-08T12:00:00.000Z','opt-out','','','','','["marketing"]','[]','[]','site','','',0,'{"list": ""}','a44130eecca0574a412130bca848eb95','test','test','ed5c2f09bff482abe8df331b49a0481d7e7cadbe3d31cb3c7ce612577c82a278');
INSERT INTO "entries" VALUES(10,'G8Gt37IzS-1tNGuz','2026-05-08T12:00:00.000Z','access','','','','','[]','[]','[]','','','',0,'{"who": "root", "need": "requests", "what": "requests list", "fields": ["email", "message"], "outcome": "allowed"}','','','test','bf6662fe6700bc31d4c47b9b4781f49dcabf3a32bf3d41735b7698b5ad8ac25f');
CREATE TABLE head (
	count BIGINT NOT NULL, 
	hash TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	seal TEXT NOT NULL
);
INSERT INTO "head" VALUES(10,'bf6662fe6700bc31d4c47b9b4781f49dcabf3a32bf3d41735b7698b5ad8ac25f','test','768a4d1ed71c94ee037fc8f5c3734f5b400011e96cebc8e00dd2332e2f56eba1');
CREATE TABLE privacy_keys (
	part TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	PRIMARY KEY (part, fingerprint)
);
INSERT INTO "privacy_keys" VALUES('ledger','e9d27f15b1845892d4342164fd519f8a3f98d515c92e75655c604e9154780b6d','test',1);
CREATE TABLE texts (
	digest TEXT NOT NULL, 
	source TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE INDEX ix_entries_subject ON entries (subject);
CREATE INDEX ix_entries_receipt ON entries (receipt);
CREATE INDEX ix_entries_replaces ON entries (replaces);
COMMIT;
-- privacy-rights
BEGIN TRANSACTION;
CREATE TABLE links (
	hash TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	opens TEXT NOT NULL, 
	expires TEXT NOT NULL, 
	PRIMARY KEY (hash)
);
CREATE TABLE mail_choices (
	mark TEXT NOT NULL, 
	list TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	in_at TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	text TEXT NOT NULL, 
	in_source TEXT NOT NULL, 
	out_at TEXT NOT NULL, 
	out_source TEXT NOT NULL, 
	in_turn INTEGER NOT NULL, 
	out_turn INTEGER NOT NULL, 
	PRIMARY KEY (mark, list)
);
INSERT INTO "mail_choices" VALUES('fdc0dbf7a1822355c83a643bf46c95bb','marketing','test','2026-05-08T12:00:00.000Z','2026-11-24','','form','','',1,0);
INSERT INTO "mail_choices" VALUES('a44130eecca0574a412130bca848eb95','','test','','','','','2026-05-08T12:00:00.000Z','site',0,1);
CREATE TABLE mail_renewed (
	mark TEXT NOT NULL, 
	now TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	PRIMARY KEY (mark)
);
CREATE TABLE privacy_keys (
	part TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	PRIMARY KEY (part, fingerprint)
);
INSERT INTO "privacy_keys" VALUES('rights','ebc9d08348d31f6e7df48f712dad6367c2ed884501bf1a44d3b12cd2289f75c6','test',1);
CREATE TABLE requests (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	email TEXT NOT NULL, 
	message TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	base TEXT NOT NULL, 
	source TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	subject_key TEXT NOT NULL, 
	opened TEXT NOT NULL, 
	verified TEXT NOT NULL, 
	identity TEXT NOT NULL, 
	mailed TEXT NOT NULL, 
	mail_after TEXT NOT NULL, 
	mail_error TEXT NOT NULL, 
	reminded TEXT NOT NULL, 
	extended INTEGER NOT NULL, 
	extended_at TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	closed TEXT NOT NULL, 
	done TEXT NOT NULL, 
	answer TEXT NOT NULL
);
INSERT INTO "requests" VALUES(1,'access','open','ada@shop.example','','en','https://shop.example','form','fdc0dbf7a1822355c83a643bf46c95bb6be5ad792b0d81233f0b90126274afa3','test','2026-05-08T12:00:00.000Z','','','','','','',0,'','','','','');
CREATE TABLE standings (
	subject TEXT NOT NULL, 
	what TEXT NOT NULL, 
	subject_key TEXT NOT NULL, 
	at TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (subject, what)
);
INSERT INTO "standings" VALUES('7859cc99bc214e178a5ada98805133a265e8242026f64827fa428c946bcd1170','minor','test','2026-05-08T12:00:00.000Z','','');
CREATE INDEX ix_mail_choices_key ON mail_choices ("key");
CREATE INDEX ix_mail_choices_list ON mail_choices (list);
CREATE INDEX ix_mail_renewed_now ON mail_renewed (now);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('requests',1);
COMMIT;
