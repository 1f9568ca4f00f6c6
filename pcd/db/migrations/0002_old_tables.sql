-- The tables of the old system that are not mirrors of ServiceTitan. Where they exist they keep what they
-- have; what is missing is added. Columns that must not be null stand in CREATE TABLE: a table that
-- exists has them.

CREATE FUNCTION pg_temp.ensure_index(target regclass, definition text, is_unique boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = target
          AND (i.indisunique OR NOT is_unique)
          AND right(pg_get_indexdef(i.indexrelid), length(definition) + 7) = ' USING ' || definition
    ) THEN
        EXECUTE format(
            'CREATE %s INDEX ON %s USING %s', CASE WHEN is_unique THEN 'UNIQUE' ELSE '' END, target, definition
        );
    END IF;
END
$$;

-- integrations ---------------------------------------------------------------

CREATE TABLE IF NOT EXISTS integrations.ghl_contacts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ghl_id varchar(255) NOT NULL,
    full_data jsonb NOT NULL
);
ALTER TABLE integrations.ghl_contacts
    ADD COLUMN IF NOT EXISTS ghl_location_id varchar(255),
    ADD COLUMN IF NOT EXISTS st_customer_id bigint,
    ADD COLUMN IF NOT EXISTS first_name varchar(255),
    ADD COLUMN IF NOT EXISTS last_name varchar(255),
    ADD COLUMN IF NOT EXISTS name varchar(500),
    ADD COLUMN IF NOT EXISTS email varchar(255),
    ADD COLUMN IF NOT EXISTS phone varchar(50),
    ADD COLUMN IF NOT EXISTS address_line1 varchar(500),
    ADD COLUMN IF NOT EXISTS city varchar(255),
    ADD COLUMN IF NOT EXISTS state varchar(100),
    ADD COLUMN IF NOT EXISTS zip varchar(20),
    ADD COLUMN IF NOT EXISTS country varchar(100),
    ADD COLUMN IF NOT EXISTS phone_numbers jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS email_addresses jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS tags jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS source varchar(255),
    ADD COLUMN IF NOT EXISTS type varchar(50),
    ADD COLUMN IF NOT EXISTS custom_fields jsonb DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS ghl_created_at timestamptz,
    ADD COLUMN IF NOT EXISTS ghl_updated_at timestamptz,
    ADD COLUMN IF NOT EXISTS synced_to_st boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS st_sync_error text,
    ADD COLUMN IF NOT EXISTS local_synced_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS sync_status varchar(50) DEFAULT 'synced',
    ADD COLUMN IF NOT EXISTS sync_attempts integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_sync_error text,
    ADD COLUMN IF NOT EXISTS st_data_hash varchar(64),
    ADD COLUMN IF NOT EXISTS ghl_data_hash varchar(64);
SELECT pg_temp.ensure_index('integrations.ghl_contacts', 'btree (ghl_id)', true);
SELECT pg_temp.ensure_index('integrations.ghl_contacts', 'btree (st_customer_id)');
SELECT pg_temp.ensure_index('integrations.ghl_contacts', 'btree (email)');
SELECT pg_temp.ensure_index('integrations.ghl_contacts', 'btree (phone)');
SELECT pg_temp.ensure_index('integrations.ghl_contacts', 'btree (synced_to_st) WHERE (synced_to_st = false)');

CREATE TABLE IF NOT EXISTS integrations.ghl_opportunities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ghl_id varchar(255) NOT NULL,
    ghl_pipeline_id varchar(255) NOT NULL,
    name varchar(500) NOT NULL,
    full_data jsonb NOT NULL
);
ALTER TABLE integrations.ghl_opportunities
    ADD COLUMN IF NOT EXISTS st_job_id bigint,
    ADD COLUMN IF NOT EXISTS st_customer_id bigint,
    ADD COLUMN IF NOT EXISTS st_estimate_id bigint,
    ADD COLUMN IF NOT EXISTS ghl_contact_id varchar(255),
    ADD COLUMN IF NOT EXISTS ghl_location_id varchar(255),
    ADD COLUMN IF NOT EXISTS pipeline_name varchar(255),
    ADD COLUMN IF NOT EXISTS ghl_pipeline_stage_id varchar(255),
    ADD COLUMN IF NOT EXISTS stage_name varchar(255),
    ADD COLUMN IF NOT EXISTS monetary_value numeric(18,4) DEFAULT 0,
    ADD COLUMN IF NOT EXISTS status varchar(50),
    ADD COLUMN IF NOT EXISTS ghl_created_at timestamptz,
    ADD COLUMN IF NOT EXISTS ghl_updated_at timestamptz,
    ADD COLUMN IF NOT EXISTS closed_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_status_change_at timestamptz,
    ADD COLUMN IF NOT EXISTS assigned_to varchar(255),
    ADD COLUMN IF NOT EXISTS source varchar(255),
    ADD COLUMN IF NOT EXISTS lead_value numeric(18,4),
    ADD COLUMN IF NOT EXISTS custom_fields jsonb DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS notes_count integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS tasks_count integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_activity_at timestamptz,
    ADD COLUMN IF NOT EXISTS synced_to_st boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS st_sync_error text,
    ADD COLUMN IF NOT EXISTS local_synced_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS local_created_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS local_updated_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS sync_status varchar(50) DEFAULT 'synced',
    ADD COLUMN IF NOT EXISTS sync_attempts integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_sync_error text,
    ADD COLUMN IF NOT EXISTS st_data_hash varchar(64),
    ADD COLUMN IF NOT EXISTS ghl_data_hash varchar(64);
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (ghl_id)', true);
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (st_job_id)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (st_customer_id)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (st_estimate_id)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (ghl_contact_id)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (ghl_pipeline_id)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (ghl_pipeline_stage_id)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (status)');
SELECT pg_temp.ensure_index('integrations.ghl_opportunities', 'btree (ghl_updated_at DESC)');

CREATE TABLE IF NOT EXISTS integrations.ghl_sync_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sync_type varchar(50) NOT NULL,
    direction varchar(20) NOT NULL,
    status varchar(50) NOT NULL
);
ALTER TABLE integrations.ghl_sync_log
    ADD COLUMN IF NOT EXISTS records_fetched integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS records_created integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS records_updated integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS records_failed integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS started_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS completed_at timestamptz,
    ADD COLUMN IF NOT EXISTS duration_ms integer,
    ADD COLUMN IF NOT EXISTS error_message text,
    ADD COLUMN IF NOT EXISTS error_details jsonb,
    ADD COLUMN IF NOT EXISTS triggered_by varchar(100);
SELECT pg_temp.ensure_index('integrations.ghl_sync_log', 'btree (sync_type)');
SELECT pg_temp.ensure_index('integrations.ghl_sync_log', 'btree (status)');
SELECT pg_temp.ensure_index('integrations.ghl_sync_log', 'btree (started_at DESC)');

CREATE TABLE IF NOT EXISTS integrations.callrail_calls (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    callrail_id varchar(255) NOT NULL,
    full_data jsonb NOT NULL
);
ALTER TABLE integrations.callrail_calls
    ADD COLUMN IF NOT EXISTS caller_phone varchar(50),
    ADD COLUMN IF NOT EXISTS tracking_number varchar(50),
    ADD COLUMN IF NOT EXISTS duration_seconds integer,
    ADD COLUMN IF NOT EXISTS call_start timestamptz,
    ADD COLUMN IF NOT EXISTS call_end timestamptz,
    ADD COLUMN IF NOT EXISTS recording_url text,
    ADD COLUMN IF NOT EXISTS call_status varchar(50),
    ADD COLUMN IF NOT EXISTS gclid text,
    ADD COLUMN IF NOT EXISTS utm_source varchar(100),
    ADD COLUMN IF NOT EXISTS utm_medium varchar(100),
    ADD COLUMN IF NOT EXISTS utm_campaign varchar(255),
    ADD COLUMN IF NOT EXISTS utm_term varchar(255),
    ADD COLUMN IF NOT EXISTS utm_content varchar(255),
    ADD COLUMN IF NOT EXISTS landing_page_url text,
    ADD COLUMN IF NOT EXISTS referrer_url text,
    ADD COLUMN IF NOT EXISTS device_type varchar(50),
    ADD COLUMN IF NOT EXISTS caller_city varchar(255),
    ADD COLUMN IF NOT EXISTS caller_state varchar(100),
    ADD COLUMN IF NOT EXISTS caller_zip varchar(20),
    ADD COLUMN IF NOT EXISTS caller_country varchar(100),
    ADD COLUMN IF NOT EXISTS st_customer_id bigint,
    ADD COLUMN IF NOT EXISTS matched_at timestamptz,
    ADD COLUMN IF NOT EXISTS match_confidence varchar(20),
    ADD COLUMN IF NOT EXISTS match_method varchar(50),
    ADD COLUMN IF NOT EXISTS converted_to_job boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS converted_to_estimate boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS estimate_sold boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS st_job_id bigint,
    ADD COLUMN IF NOT EXISTS st_estimate_id bigint,
    ADD COLUMN IF NOT EXISTS conversion_value numeric(18,4),
    ADD COLUMN IF NOT EXISTS conversion_date timestamptz,
    ADD COLUMN IF NOT EXISTS gads_conversion_sent boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS gads_conversion_sent_at timestamptz,
    ADD COLUMN IF NOT EXISTS gads_conversion_error text,
    ADD COLUMN IF NOT EXISTS gads_retry_count integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS tags jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS notes text,
    ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now();
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (callrail_id)', true);
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (caller_phone)');
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (gclid) WHERE (gclid IS NOT NULL)');
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (st_customer_id)');
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (st_job_id)');
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (st_estimate_id)');
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (call_start DESC)');
SELECT pg_temp.ensure_index('integrations.callrail_calls', 'btree (matched_at) WHERE (matched_at IS NULL)');

CREATE TABLE IF NOT EXISTS integrations.callrail_conversion_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id uuid NOT NULL REFERENCES integrations.callrail_calls (id) ON DELETE CASCADE,
    conversion_type varchar(50) NOT NULL
);
ALTER TABLE integrations.callrail_conversion_log
    ADD COLUMN IF NOT EXISTS conversion_value numeric(18,4),
    ADD COLUMN IF NOT EXISTS gads_attempt_number integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS gads_status varchar(50),
    ADD COLUMN IF NOT EXISTS gads_response jsonb,
    ADD COLUMN IF NOT EXISTS gads_error text,
    ADD COLUMN IF NOT EXISTS gclid text,
    ADD COLUMN IF NOT EXISTS campaign_id varchar(255),
    ADD COLUMN IF NOT EXISTS conversion_action varchar(100),
    ADD COLUMN IF NOT EXISTS attempted_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS succeeded_at timestamptz,
    ADD COLUMN IF NOT EXISTS triggered_by varchar(100);
SELECT pg_temp.ensure_index('integrations.callrail_conversion_log', 'btree (call_id)');
SELECT pg_temp.ensure_index('integrations.callrail_conversion_log', 'btree (gads_status)');
SELECT pg_temp.ensure_index('integrations.callrail_conversion_log', 'btree (attempted_at DESC)');

-- automation -----------------------------------------------------------------

CREATE TABLE IF NOT EXISTS automation.workflow_definitions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL,
    trigger_event varchar(100) NOT NULL,
    stop_conditions jsonb NOT NULL DEFAULT '[]',
    steps jsonb NOT NULL DEFAULT '[]'
);
ALTER TABLE automation.workflow_definitions
    ADD COLUMN IF NOT EXISTS description text,
    ADD COLUMN IF NOT EXISTS trigger_conditions jsonb DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS enabled boolean DEFAULT true,
    ADD COLUMN IF NOT EXISTS max_concurrent_per_customer integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS priority integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS created_by varchar(255),
    ADD COLUMN IF NOT EXISTS updated_by varchar(255),
    ADD COLUMN IF NOT EXISTS tags varchar(100)[];
SELECT pg_temp.ensure_index('automation.workflow_definitions', 'btree (name)', true);
SELECT pg_temp.ensure_index('automation.workflow_definitions', 'btree (enabled)');
SELECT pg_temp.ensure_index('automation.workflow_definitions', 'btree (trigger_event)');

CREATE TABLE IF NOT EXISTS automation.workflow_instances (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id uuid NOT NULL REFERENCES automation.workflow_definitions (id) ON DELETE CASCADE,
    entity_type varchar(50) NOT NULL,
    entity_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    status varchar(50) NOT NULL DEFAULT 'active'
);
ALTER TABLE automation.workflow_instances
    ADD COLUMN IF NOT EXISTS current_step integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS message_count integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS started_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS completed_at timestamptz,
    ADD COLUMN IF NOT EXISTS stopped_reason varchar(255),
    ADD COLUMN IF NOT EXISTS execution_log jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS next_action_at timestamptz,
    ADD COLUMN IF NOT EXISTS context jsonb DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now();
SELECT pg_temp.ensure_index('automation.workflow_instances', 'btree (status)');
SELECT pg_temp.ensure_index('automation.workflow_instances', 'btree (entity_type, entity_id)');
SELECT pg_temp.ensure_index('automation.workflow_instances', 'btree (customer_id)');
SELECT pg_temp.ensure_index('automation.workflow_instances', 'btree (workflow_id)');
SELECT pg_temp.ensure_index(
    'automation.workflow_instances',
    'btree (next_action_at) WHERE (((status)::text = ''active''::text) AND (next_action_at IS NOT NULL))'
);

CREATE TABLE IF NOT EXISTS automation.workflow_step_executions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_instance_id uuid NOT NULL REFERENCES automation.workflow_instances (id) ON DELETE CASCADE,
    step_number integer NOT NULL,
    status varchar(50) NOT NULL DEFAULT 'pending'
);
ALTER TABLE automation.workflow_step_executions
    ADD COLUMN IF NOT EXISTS action_type varchar(50),
    ADD COLUMN IF NOT EXISTS action_description text,
    ADD COLUMN IF NOT EXISTS action_input jsonb,
    ADD COLUMN IF NOT EXISTS action_output jsonb,
    ADD COLUMN IF NOT EXISTS error_message text,
    ADD COLUMN IF NOT EXISTS retry_count integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS scheduled_for timestamptz,
    ADD COLUMN IF NOT EXISTS started_at timestamptz,
    ADD COLUMN IF NOT EXISTS completed_at timestamptz,
    ADD COLUMN IF NOT EXISTS duration_ms integer,
    ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now();
SELECT pg_temp.ensure_index('automation.workflow_step_executions', 'btree (workflow_instance_id)');
SELECT pg_temp.ensure_index('automation.workflow_step_executions', 'btree (status)');
SELECT pg_temp.ensure_index('automation.workflow_step_executions', 'btree (scheduled_for)');

CREATE TABLE IF NOT EXISTS automation.messaging_templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(255) NOT NULL,
    channel varchar(50) NOT NULL,
    body_template text NOT NULL
);
ALTER TABLE automation.messaging_templates
    ADD COLUMN IF NOT EXISTS description text,
    ADD COLUMN IF NOT EXISTS subject_template varchar(500),
    ADD COLUMN IF NOT EXISTS required_variables jsonb DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS active boolean DEFAULT true,
    ADD COLUMN IF NOT EXISTS category varchar(100),
    ADD COLUMN IF NOT EXISTS usage_count integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_used_at timestamptz,
    ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS created_by varchar(255);
SELECT pg_temp.ensure_index('automation.messaging_templates', 'btree (name)', true);
SELECT pg_temp.ensure_index('automation.messaging_templates', 'btree (channel)');
SELECT pg_temp.ensure_index('automation.messaging_templates', 'btree (category)');
SELECT pg_temp.ensure_index('automation.messaging_templates', 'btree (active)');

CREATE TABLE IF NOT EXISTS automation.messaging_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    channel varchar(50) NOT NULL,
    direction varchar(20) NOT NULL,
    body text NOT NULL,
    status varchar(50) NOT NULL DEFAULT 'pending'
);
ALTER TABLE automation.messaging_log
    ADD COLUMN IF NOT EXISTS to_phone varchar(50),
    ADD COLUMN IF NOT EXISTS to_email varchar(255),
    ADD COLUMN IF NOT EXISTS from_phone varchar(50),
    ADD COLUMN IF NOT EXISTS from_email varchar(255),
    ADD COLUMN IF NOT EXISTS subject varchar(500),
    ADD COLUMN IF NOT EXISTS customer_id bigint,
    ADD COLUMN IF NOT EXISTS job_id bigint,
    ADD COLUMN IF NOT EXISTS workflow_instance_id uuid,
    ADD COLUMN IF NOT EXISTS provider varchar(50),
    ADD COLUMN IF NOT EXISTS provider_message_id varchar(255),
    ADD COLUMN IF NOT EXISTS provider_status varchar(50),
    ADD COLUMN IF NOT EXISTS provider_error text,
    ADD COLUMN IF NOT EXISTS tracking_id varchar(255),
    ADD COLUMN IF NOT EXISTS template_id uuid,
    ADD COLUMN IF NOT EXISTS sent_at timestamptz,
    ADD COLUMN IF NOT EXISTS delivered_at timestamptz,
    ADD COLUMN IF NOT EXISTS opened_at timestamptz,
    ADD COLUMN IF NOT EXISTS clicked_at timestamptz,
    ADD COLUMN IF NOT EXISTS failed_at timestamptz,
    ADD COLUMN IF NOT EXISTS cost numeric(10,6),
    ADD COLUMN IF NOT EXISTS metadata jsonb DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now();
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (channel)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (direction)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (to_phone)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (to_email)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (customer_id)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (job_id)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (workflow_instance_id)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (status)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (created_at DESC)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (provider_message_id)');
SELECT pg_temp.ensure_index('automation.messaging_log', 'btree (tracking_id) WHERE (tracking_id IS NOT NULL)');

-- public ---------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS public.customer_communication_preferences (
    customer_id bigint PRIMARY KEY
);
ALTER TABLE public.customer_communication_preferences
    ADD COLUMN IF NOT EXISTS sms_opted_out boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS email_opted_out boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS phone_opted_out boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS opted_out_at timestamptz,
    ADD COLUMN IF NOT EXISTS opt_out_reason text,
    ADD COLUMN IF NOT EXISTS preferred_channel varchar(50),
    ADD COLUMN IF NOT EXISTS do_not_contact boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS max_messages_per_day integer DEFAULT 3,
    ADD COLUMN IF NOT EXISTS max_messages_per_week integer DEFAULT 10,
    ADD COLUMN IF NOT EXISTS messages_today integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS messages_this_week integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_message_at timestamptz,
    ADD COLUMN IF NOT EXISTS quiet_hours_start time,
    ADD COLUMN IF NOT EXISTS quiet_hours_end time,
    ADD COLUMN IF NOT EXISTS timezone varchar(50) DEFAULT 'America/New_York';

CREATE TABLE IF NOT EXISTS public.sync_state (
    key varchar(255) PRIMARY KEY
);
ALTER TABLE public.sync_state
    ADD COLUMN IF NOT EXISTS value text,
    ADD COLUMN IF NOT EXISTS updated_at timestamp DEFAULT now();

DROP FUNCTION pg_temp.ensure_index(regclass, text, boolean);
