BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE capacity_day (
	cluster_id INTEGER NOT NULL, 
	bucket BIGINT NOT NULL, 
	state SMALLINT NOT NULL, 
	core_seconds BIGINT NOT NULL, 
	gpu_seconds BIGINT NOT NULL, 
	node_seconds BIGINT NOT NULL, 
	PRIMARY KEY (cluster_id, bucket, state), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
INSERT INTO "capacity_day" VALUES(1,1795392000,0,5760,0,360);
INSERT INTO "capacity_day" VALUES(1,1795392000,2,1920,0,120);
INSERT INTO "capacity_day" VALUES(1,1795392000,5,960,0,60);
CREATE TABLE capacity_hour (
	cluster_id INTEGER NOT NULL, 
	bucket BIGINT NOT NULL, 
	state SMALLINT NOT NULL, 
	core_seconds BIGINT NOT NULL, 
	gpu_seconds BIGINT NOT NULL, 
	node_seconds BIGINT NOT NULL, 
	PRIMARY KEY (cluster_id, bucket, state), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
INSERT INTO "capacity_hour" VALUES(1,1795392000,0,5760,0,360);
INSERT INTO "capacity_hour" VALUES(1,1795392000,2,1920,0,120);
INSERT INTO "capacity_hour" VALUES(1,1795392000,5,960,0,60);
CREATE TABLE cluster (
	id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	title TEXT NOT NULL, 
	listed BOOLEAN NOT NULL, 
	demo BOOLEAN NOT NULL, 
	period_seconds INTEGER NOT NULL, 
	scheduler_kind VARCHAR(16), 
	scheduler_version TEXT, 
	scheduler_server TEXT, 
	report INTEGER NOT NULL, 
	taken_at FLOAT, 
	query_seconds FLOAT, 
	warnings TEXT, 
	partial TEXT, 
	failures INTEGER NOT NULL, 
	error_code VARCHAR(32), 
	error TEXT, 
	attempted_at FLOAT, 
	next_poll_at FLOAT, reservations TEXT, kept_since BIGINT, collector_id INTEGER, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "cluster" VALUES(1,'c','c',1,0,60,'openpbs','23.06.06','pbs01',6,1795392300.0,0.2,NULL,NULL,1,'silent','nothing answers',1795392400.0,NULL,NULL,NULL,NULL);
CREATE TABLE collector (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	region VARCHAR(64), 
	announce TEXT NOT NULL, 
	refresh TEXT NOT NULL, 
	started_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE dirty_hour (
	cluster_id INTEGER NOT NULL, 
	bucket BIGINT NOT NULL, 
	PRIMARY KEY (cluster_id, bucket), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
INSERT INTO "dirty_hour" VALUES(1,1795392000);
CREATE TABLE history_column (
	cluster_id INTEGER NOT NULL, 
	month BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	name VARCHAR(24) NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (cluster_id, month, kind, name), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
);
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','ended',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','ran',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','queued',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','wait_class',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','slowdown_class',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','started_back',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','walltime',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','walltime_used',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','cpu_used',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','cores',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','gpus',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','flags',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','size',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','walltime_class',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','outcome',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','user',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','group',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','account',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'jobs','queue',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','job',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','since',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','until',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','state',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','queue',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','cores',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'spans','gpus',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','back',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','user',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','group',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','account',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','queue',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','size',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','walltime_class',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','outcome',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','core_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','gpu_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','run_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','queued_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','queued_core_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','start_wait_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','submitted',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','started',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','ended',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','exited',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','failed',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','cpu_used',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','cpu_core_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','walltime_used_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'sums','walltime_asked_seconds',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'user','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'group','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'account','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'queue','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'size','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'walltime_class','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'outcome','sums',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'user','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'user','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'group','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'group','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'account','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'account','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'queue','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'queue','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'size','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'size','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'walltime_class','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'walltime_class','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'outcome','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'outcome','slowdown',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'pair','wait',X'789C030000000001');
INSERT INTO "history_column" VALUES(1,1793491200,'pair','slowdown',X'789C030000000001');
CREATE TABLE history_month (
	cluster_id INTEGER NOT NULL, 
	month BIGINT NOT NULL, 
	jobs INTEGER NOT NULL, 
	first_submitted_at BIGINT, 
	packed_until BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	pruned BOOLEAN NOT NULL, 
	PRIMARY KEY (cluster_id, month), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
INSERT INTO "history_month" VALUES(1,1793491200,0,NULL,1795392000,1,0);
CREATE TABLE import_file (
	cluster_id INTEGER NOT NULL, 
	mark VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	records INTEGER NOT NULL, 
	skipped INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (cluster_id, mark), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
CREATE TABLE import_unended (
	cluster_id INTEGER NOT NULL, 
	kind VARCHAR(1) NOT NULL, 
	job VARCHAR(300) NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (cluster_id, kind, job), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
CREATE TABLE job (
	id INTEGER NOT NULL, 
	cluster_id INTEGER NOT NULL, 
	number TEXT NOT NULL, 
	server_id INTEGER, 
	array_number TEXT, 
	array_index TEXT, 
	name TEXT NOT NULL, 
	user_id INTEGER NOT NULL, 
	group_id INTEGER, 
	account_id INTEGER, 
	project_id INTEGER, 
	queue_id INTEGER NOT NULL, 
	state SMALLINT NOT NULL, 
	native_state TEXT NOT NULL, 
	cores INTEGER NOT NULL, 
	nodes INTEGER NOT NULL, 
	gpus INTEGER NOT NULL, 
	memory_bytes BIGINT, 
	walltime_seconds INTEGER, 
	walltime_used_seconds INTEGER, 
	cpu_used_seconds INTEGER, 
	memory_used_bytes BIGINT, 
	submitted_at BIGINT NOT NULL, 
	eligible_at BIGINT, 
	started_at BIGINT, 
	ended_at BIGINT, 
	ended_estimated BOOLEAN NOT NULL, 
	exit_status INTEGER, 
	priority INTEGER, 
	hold TEXT, 
	depends_on TEXT, 
	hosts TEXT, implied BOOLEAN DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES word (id), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id), 
	FOREIGN KEY(group_id) REFERENCES word (id), 
	FOREIGN KEY(project_id) REFERENCES word (id), 
	FOREIGN KEY(queue_id) REFERENCES word (id), 
	FOREIGN KEY(server_id) REFERENCES word (id), 
	FOREIGN KEY(user_id) REFERENCES word (id)
);
INSERT INTO "job" VALUES(1,1,'1',4,NULL,NULL,'job1',1,5,NULL,NULL,3,7,'Q',4,1,0,NULL,NULL,NULL,NULL,NULL,1795392000,NULL,1795392050,1795392150,1,NULL,NULL,NULL,NULL,'4:7',1);
INSERT INTO "job" VALUES(2,1,'2',4,NULL,NULL,'job2',2,5,NULL,NULL,3,7,'Q',4,1,0,NULL,NULL,NULL,NULL,NULL,1795392000,NULL,1795392110,1795392210,1,NULL,NULL,NULL,NULL,'4:7',1);
INSERT INTO "job" VALUES(3,1,'9[1]',4,'9[]',NULL,'job9',6,5,NULL,NULL,3,7,'Q',4,1,0,NULL,NULL,NULL,NULL,NULL,1795392000,NULL,1795392100,1795392150,1,NULL,NULL,NULL,NULL,'4:7',1);
INSERT INTO "job" VALUES(4,1,'3',4,NULL,NULL,'job3',8,5,NULL,NULL,3,0,'Q',4,1,0,NULL,NULL,NULL,NULL,NULL,1795392000,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,0);
CREATE TABLE job_array (
	cluster_id INTEGER NOT NULL, 
	number TEXT NOT NULL, 
	total INTEGER NOT NULL, 
	PRIMARY KEY (cluster_id, number), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
INSERT INTO "job_array" VALUES(1,'9[]',4);
CREATE TABLE job_live (
	job_id INTEGER NOT NULL, 
	comment TEXT, 
	estimated_start_at BIGINT, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES job (id)
);
CREATE TABLE job_span (
	job_id INTEGER NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	state SMALLINT NOT NULL, 
	queue_id INTEGER NOT NULL, 
	cores INTEGER NOT NULL, 
	gpus INTEGER NOT NULL, 
	PRIMARY KEY (job_id, since), 
	FOREIGN KEY(job_id) REFERENCES job (id)
)
 WITHOUT ROWID

;
INSERT INTO "job_span" VALUES(4,1795392000,253402300799,0,3,4,0);
CREATE TABLE known_span (
	cluster_id INTEGER NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	polled BOOLEAN NOT NULL, 
	PRIMARY KEY (cluster_id, since), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
)
 WITHOUT ROWID

;
INSERT INTO "known_span" VALUES(1,1795391940,1795392300,1);
CREATE TABLE node (
	id INTEGER NOT NULL, 
	cluster_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	state SMALLINT NOT NULL, 
	native_state TEXT NOT NULL, 
	cores INTEGER, 
	cores_used INTEGER, 
	gpus INTEGER, 
	gpus_used INTEGER, 
	memory_bytes BIGINT, 
	memory_used_bytes BIGINT, 
	load FLOAT, 
	jobs TEXT, 
	properties TEXT, 
	comment TEXT, 
	gone_at BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id), 
	UNIQUE (cluster_id, name)
);
INSERT INTO "node" VALUES(1,1,'n1',0,'free',16,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "node" VALUES(2,1,'n2',0,'free',16,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795392240);
CREATE TABLE node_month (
	cluster_id INTEGER NOT NULL, 
	month BIGINT NOT NULL, 
	node_id BLOB NOT NULL, 
	since BLOB NOT NULL, 
	until BLOB NOT NULL, 
	state BLOB NOT NULL, 
	cores BLOB NOT NULL, 
	gpus BLOB NOT NULL, 
	PRIMARY KEY (cluster_id, month), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
);
CREATE TABLE node_span (
	node_id INTEGER NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	state SMALLINT NOT NULL, 
	cores INTEGER NOT NULL, 
	gpus INTEGER NOT NULL, 
	PRIMARY KEY (node_id, since), 
	FOREIGN KEY(node_id) REFERENCES node (id)
)
 WITHOUT ROWID

;
INSERT INTO "node_span" VALUES(1,1795392000,1795392060,0,16,0);
INSERT INTO "node_span" VALUES(1,1795392060,1795392180,2,16,0);
INSERT INTO "node_span" VALUES(1,1795392180,253402300799,0,16,0);
INSERT INTO "node_span" VALUES(2,1795392000,1795392120,0,16,0);
INSERT INTO "node_span" VALUES(2,1795392120,1795392180,5,16,0);
INSERT INTO "node_span" VALUES(2,1795392180,1795392240,0,16,0);
CREATE TABLE poll (
	id INTEGER NOT NULL, 
	cluster_id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	seconds FLOAT NOT NULL, 
	report INTEGER, 
	taken_at FLOAT, 
	known_since BIGINT, 
	query_seconds FLOAT, 
	running INTEGER, 
	pending INTEGER, 
	error_code VARCHAR(32), 
	error TEXT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id)
);
INSERT INTO "poll" VALUES(1,1,1795391999,0.5,1,1795392000.0,NULL,0.2,0,2,NULL,NULL);
INSERT INTO "poll" VALUES(2,1,1795392059,0.5,2,1795392060.0,NULL,0.2,1,2,NULL,NULL);
INSERT INTO "poll" VALUES(3,1,1795392119,0.5,3,1795392120.0,NULL,0.2,3,0,NULL,NULL);
INSERT INTO "poll" VALUES(4,1,1795392179,0.5,4,1795392180.0,NULL,0.2,1,0,NULL,NULL);
INSERT INTO "poll" VALUES(5,1,1795392239,0.5,5,1795392240.0,NULL,0.2,0,0,NULL,NULL);
INSERT INTO "poll" VALUES(6,1,1795392299,0.5,6,1795392300.0,NULL,0.2,0,1,NULL,NULL);
INSERT INTO "poll" VALUES(7,1,1795392400,1.0,NULL,NULL,NULL,NULL,NULL,NULL,'silent','nothing answers');
CREATE TABLE queue (
	id INTEGER NOT NULL, 
	cluster_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	enabled BOOLEAN, 
	started BOOLEAN, 
	priority INTEGER, 
	max_walltime_seconds INTEGER, 
	gone_at BIGINT, limits TEXT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id), 
	UNIQUE (cluster_id, name)
);
INSERT INTO "queue" VALUES(1,1,'batch','execution',1,1,50,3600,NULL,'{"resources_max.walltime": "01:00:00"}');
INSERT INTO "queue" VALUES(2,1,'long','execution',1,0,NULL,NULL,NULL,NULL);
CREATE TABLE queue_span (
	queue_id INTEGER NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	enabled BOOLEAN, 
	started BOOLEAN, 
	max_walltime_seconds INTEGER, 
	PRIMARY KEY (queue_id, since), 
	FOREIGN KEY(queue_id) REFERENCES queue (id)
)
 WITHOUT ROWID

;
INSERT INTO "queue_span" VALUES(1,1795392000,253402300799,1,1,3600);
INSERT INTO "queue_span" VALUES(2,1795392000,253402300799,1,0,NULL);
CREATE TABLE usage_day (
	cluster_id INTEGER NOT NULL, 
	bucket BIGINT NOT NULL, 
	queue_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	group_id INTEGER NOT NULL, 
	core_seconds BIGINT NOT NULL, 
	gpu_seconds BIGINT NOT NULL, 
	waited_core_seconds BIGINT NOT NULL, 
	submitted INTEGER NOT NULL, 
	started INTEGER NOT NULL, 
	ended INTEGER NOT NULL, 
	wait_seconds BIGINT NOT NULL, 
	PRIMARY KEY (cluster_id, bucket, queue_id, user_id, group_id), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id), 
	FOREIGN KEY(queue_id) REFERENCES word (id), 
	FOREIGN KEY(user_id) REFERENCES word (id)
)
 WITHOUT ROWID

;
INSERT INTO "usage_day" VALUES(1,1795392000,3,1,5,400,0,200,1,1,1,50);
INSERT INTO "usage_day" VALUES(1,1795392000,3,2,5,400,0,440,1,1,1,110);
INSERT INTO "usage_day" VALUES(1,1795392000,3,6,5,200,0,400,1,1,1,100);
INSERT INTO "usage_day" VALUES(1,1795392000,3,8,5,0,0,1200,1,0,0,0);
CREATE TABLE usage_hour (
	cluster_id INTEGER NOT NULL, 
	bucket BIGINT NOT NULL, 
	queue_id INTEGER NOT NULL, 
	user_id INTEGER NOT NULL, 
	group_id INTEGER NOT NULL, 
	core_seconds BIGINT NOT NULL, 
	gpu_seconds BIGINT NOT NULL, 
	waited_core_seconds BIGINT NOT NULL, 
	submitted INTEGER NOT NULL, 
	started INTEGER NOT NULL, 
	ended INTEGER NOT NULL, 
	wait_seconds BIGINT NOT NULL, 
	PRIMARY KEY (cluster_id, bucket, queue_id, user_id, group_id), 
	FOREIGN KEY(cluster_id) REFERENCES cluster (id), 
	FOREIGN KEY(queue_id) REFERENCES word (id), 
	FOREIGN KEY(user_id) REFERENCES word (id)
)
 WITHOUT ROWID

;
INSERT INTO "usage_hour" VALUES(1,1795392000,3,1,5,400,0,200,1,1,1,50);
INSERT INTO "usage_hour" VALUES(1,1795392000,3,2,5,400,0,440,1,1,1,110);
INSERT INTO "usage_hour" VALUES(1,1795392000,3,6,5,200,0,400,1,1,1,100);
INSERT INTO "usage_hour" VALUES(1,1795392000,3,8,5,0,0,1200,1,0,0,0);
CREATE TABLE word (
	id INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (text)
);
INSERT INTO "word" VALUES(1,'alice');
INSERT INTO "word" VALUES(2,'b');
INSERT INTO "word" VALUES(3,'batch');
INSERT INTO "word" VALUES(4,'pbs01');
INSERT INTO "word" VALUES(5,'physics');
INSERT INTO "word" VALUES(6,'a');
INSERT INTO "word" VALUES(7,'n1');
INSERT INTO "word" VALUES(8,'c');
CREATE INDEX job_by_number ON job (cluster_id, number);
CREATE INDEX poll_by_time ON poll (cluster_id, at);
CREATE INDEX job_by_end ON job (cluster_id, ended_at, submitted_at);
CREATE INDEX job_long ON job (cluster_id, ended_at) WHERE ended_at - submitted_at > 2592000;
COMMIT;
