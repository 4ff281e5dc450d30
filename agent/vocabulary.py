"""Words that a recording may keep when its names are replaced: the schedulers' own, never a site's.

Everything else that is no number is replaced, so a word that is missing here costs a little
readability, and a word that should not be here could give a name away.
"""

from __future__ import annotations

from typing import Dict

_STATES = """
free busy job-busy job-exclusive job-sharing resv-exclusive offline maintenance provisioning wait-provisioning sleep
down stale unresolvable state-unknown unknown initializing reserve
idle mixed allocated completing planned reserved maint drain draining drained fail failing future reboot
powering_down powered_down power_down powering_up not_responding no_respond error cloud blocked perfctrs inval
pending running suspended completed cancelled failed timeout node_fail preempted boot_fail deadline out_of_memory
configuring requeued requeue_hold special_exit resizing signaling stopped stage_out revoked
jobheldadmin jobhelduser dependency dependencyneversatisfied priority resources begintime nodedown
reqnodenotavail unavailablenodes partitiondown partitioninactive partitionnodelimit partitiontimelimit
badconstraints licenses reservation none qosmaxjobsperuserlimit assocmaxjobslimit jobarraytasklimit
true false yes no n/a null enabled disabled scheduling active hot_start terminating shutdown
execution route queued held waiting running exiting transit begun expired complete
resv_none resv_unconfirmed resv_confirmed resv_wait resv_time_to_run resv_running resv_finished resv_being_deleted
resv_deleted resv_deleting_jobs resv_degraded resv_being_altered resv_in_conflict
a b c d e f g h i j k l m n o p q r s t u v w x y z oe eo abe
"""

_TIMES = """
mon tue wed thu fri sat sun jan feb mar apr may jun jul aug sep oct nov dec
"""

_RESOURCES = """
ncpus mem vmem pmem pvmem walltime cput pcput nodect nodes neednodes procs ppn gpus ngpus gpu gpu_mem mics mpiprocs
ompthreads place select chunk host vnode arch linux file nice software cpupercent energy_used naccelerators
accelerator accelerator_memory accelerator_model hbmem netwins nchunk exec_vnode min_walltime max_walltime
soft_walltime eoe aoe preempt_targets pack scatter vscatter excl exclhost shared group tasks lprocs task_count
thread_usage_policy allowthreads usecores usethreads cpu node billing gres idx tres cores sockets boards threads
prologue epilogue feature gres:gpu x
"""

_STATUS = """
rectime varattr macaddr cpuclock physmem totmem availmem idletime loadave gres netload size state jobs uname opsys
sessions nsessions nusers message version slurmstate ndisk cpupower cpu_policy ncpus arch x86_64 aarch64 windows
default_shared default_excl ignore_excl force_excl force_shared force_exclhost cluster pbs time-shared
"""

_COMMENTS = """
job jobs array began begun at started run on not running insufficient amount of resource resources server queue
limit limits reached exceeded would exceed would-exceed the maximum number has been is are and or in for to by with a
an be it its no nodes node host hosts type right enough available cannot could because when held hold user system
operator dependency waiting start time stopped scheduler draining can never will ran finished failed too many
complex-wide per project group requested requests available currently strict ordering top send execution
reservation total maximum allowed exceeding starting conflicts policy policies violates already placement set
backfill job's break sorted order cycle history moved executed deleted obsolete stale terminated exit status
soft hard maxjob maxproc maxnode maxps maxpe fairshare idle blocked following place defer deferred
system non-idle expected class partition eligible diagnosing policylevel all reason previously
priority percent contribution weights cred fs serv qtime xfactor res information state
"""

_DEPENDENCIES = """
before beforeok beforenotok beforeany after afterok afternotok afterany afterburstbuffer aftercorr on runone singleton
unfulfilled pbs_generic pbs_all avail_global avail_local used high_use remaining walltime.remaining
"""

_STDERR = """
qstat pbsnodes squeue sinfo scontrol diagnose mdiag connection refused connect cannot error errno unable communicate
specified unknown id invalid option usage timed out permission denied file directory such no communicate
socket_connect_unix trqauthd munge encode perl problem loading specify unauthorized request end of
transmission protocol warning slurm_load_jobs slurm_load_node slurmctld contact unexpected
"""

KEPT_WORDS = frozenset(" ".join((_STATES, _TIMES, _RESOURCES, _STATUS, _COMMENTS, _DEPENDENCIES, _STDERR)).split())
"""Lower case; compared without regard to case."""

# What becomes of an attribute's value. One that is listed nowhere is left out of the recording.
NAME, NAMES, OWNER, HOST, WORDS, KEEP, EMPTY = "name", "names", "owner", "host", "words", "keep", "empty"

_BY_RULE: Dict[str, str] = {
    NAME: "job_name euser egroup account_name project user_name group_name account name partition qos wckey "
    "user group cluster reason_set_by_user reserve_name",
    NAMES: "queue acl_users acl_groups acl_hosts managers operators default_queue route_destinations group_list "
    "user_list submit_hosts partitions resv_name authorized_users authorized_groups authorized_hosts",
    OWNER: "job_owner reserve_owner",
    HOST: "server submit_host server_host mom exec_host exec_host2 exec_vnode exec_gpus exec_mics hashname job_id "
    "array_id job_array_id array_parent resv reserve_id resv_nodes neednodes batch_host nodename address hostname "
    "required_nodes excluded_nodes nodes jobs properties features active_features pbs_server id job_id",
    WORDS: "comment depend dependency note status sched_hint stageout_status estimated state_description "
    "state_reason reason schedselect tres_req_str tres_alloc_str tres tres_used tres_per_node tres_per_job "
    "tres_per_task gres gres_used gres_detail licenses state state_flags next_state_after_reboot job_state flags "
    "operating_system license_count node state_count array_state_count",
    KEEP: "ctime mtime qtime etime stime start_time comp_time obittime execution_time history_timestamp "
    "last_state_change_time last_used_time eligible_time rerunable checkpoint hold_types join_path keep_files "
    "mail_points priority session_id substate queue_rank queue_type run_count run_version accrue_type exit_status "
    "array array_index array_indices_submitted array_indices_remaining array_state_count max_run_subjobs "
    "job_array_request total_runtime walltime.remaining start_count fault_tolerant job_radix request_version "
    "gpu_flags umask interactive etime pbs_version ntype sharing license in_multivnode_host port pcpus np gpus "
    "power_state mom_service_port mom_manager_port resv_enable total_jobs enabled started max_running max_queuable "
    "reserve_state reserve_substate reserve_start reserve_end reserve_duration reserve_count reserve_index "
    "max_run max_run_soft max_queued max_user_run max_user_run_soft max_group_run max_group_run_soft max_user_queuable "
    "queued_jobs_threshold acl_user_enable acl_group_enable acl_group_sloppy acl_host_enable server_state scheduling query_other_jobs "
    "scheduler_iteration keep_completed node_check_rate tcp_timeout poll_jobs moab_array_compatible log_events "
    "max_array_size job_history_enable eligible_time_enable node_fail_requeue flatuid timestamp partition "
    "no_multinode_jobs release version major minor micro type plugin req_information array_task_string "
    "array_max_tasks accrue_time eligible_time end_time submit_time time_limit preempt_time suspend_time "
    "resize_time pre_sus_time last_sched_evaluation het_job_id het_job_offset het_job_id_set array_job_id "
    "array_task_id cpus node_count memory_per_node memory_per_cpu minimum_cpus_per_node cpus_per_task "
    "max_cpus max_nodes exit_code derived_exit_code restart_cnt requeue alloc_cpus idle_cpus alloc_memory real_memory "
    "free_memory cpu_load boards cores sockets threads temporary_disk weight boot_time last_busy "
    "reason_changed_at slurmd_start_time slurmd_version architecture allocated_cores allocated_hosts cpus_used "
    "memory_used memory_allocated set infinite number tres_weighted error error_number source description",
    EMPTY: "variable_list submit_arguments submit_args error_path output_path jobdir init_work_dir executable "
    "argument_list job_arguments mail_users mail_from mailer shell_path_list stagein stageout l_request "
    "standard_error standard_input standard_output current_working_directory command user_id group_id "
    "admin_comment system_comment extra container credential_id",
}

ATTRIBUTE_RULES: Dict[str, str] = {name: rule for rule, names in _BY_RULE.items() for name in names.split()}
"""Attribute in lower case -> rule."""

_TABLES = """
resource_list resources_used resources_available resources_assigned resources_default resources_max resources_min
default_chunk estimated req_information job_resources max_run_res max_queued_res
max_run_res_soft max_user_res max_user_res_soft max_group_res max_group_res_soft queued_jobs_threshold_res
"""

RESOURCE_PREFIXES = frozenset(_TABLES.split())
"""Tables of resources: their names can be a site's own, their values are words and numbers."""
