"""The schema of the first release, with the rows that every installation has: all VLAN ids, the journal's head."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_tables()
    vlan = sa.table("vlan", sa.column("id"), sa.column("pool"), sa.column("reserved"))
    op.bulk_insert(vlan, [{"id": number, "pool": False, "reserved": 0} for number in range(1, 4095)])
    head = sa.table("journal_head", sa.column("id"), sa.column("seq"), sa.column("seal"))
    op.bulk_insert(head, [{"id": 1, "seq": 0, "seal": ""}])


def make_tables() -> None:
    op.create_table(
        "chore",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chore")),
    )
    op.create_table(
        "idempotency",
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"])
    op.create_table(
        "journal",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("via", sa.String(length=255), nullable=False),
        sa.Column("remote", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_journal")),
    )
    op.create_index("ix_journal_kind_name", "journal", ["kind", "name"])
    op.create_index("ix_journal_project", "journal", ["project_id", "seq"])
    op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("quota_nodes", sa.Integer(), nullable=True),
        sa.Column("quota_networks", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "switch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("driver", sa.String(length=255), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("audit", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switch")),
        sa.UniqueConstraint("name", name=op.f("uq_switch_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user_account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("operator", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("name", name=op.f("uq_user_account_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.Integer(), nullable=True),
        sa.Column("operator", sa.Boolean(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["api_key.id"], name=op.f("fk_api_key_parent_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_api_key_project_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_api_key_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_api_key_public_id")),
    )
    op.create_index(op.f("ix_api_key_parent_id"), "api_key", ["parent_id"])
    op.create_index(op.f("ix_api_key_user_id"), "api_key", ["user_id"])
    op.create_table(
        "lane",
        sa.Column("switch_id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.Column("retry_at", sa.Float(precision=53), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("contact_at", sa.Float(precision=53), nullable=True),
        sa.Column("audited_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["switch_id"], ["switch.id"], name=op.f("fk_lane_switch_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("switch_id", name=op.f("pk_lane")),
    )
    op.create_table(
        "membership",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_membership_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_membership_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "project_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_project_id"), "membership", ["project_id"])
    op.create_table(
        "network",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["project.id"], name=op.f("fk_network_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network")),
        sa.UniqueConstraint("name", name=op.f("uq_network_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_network_owner_id"), "network", ["owner_id"])
    op.create_table(
        "node",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("deadline", sa.Float(precision=53), nullable=True),
        sa.Column("release_id", sa.String(length=36), nullable=True),
        sa.Column("cleaned", sa.Boolean(), nullable=False),
        sa.Column("notice", sa.Boolean(), nullable=False),
        sa.Column("obmd_uri", sa.Text(), nullable=True),
        sa.Column("obmd_own", sa.Boolean(), nullable=False),
        sa.Column("obmd_admin_token", sa.LargeBinary(), nullable=True),
        sa.Column("obm_token", sa.LargeBinary(), nullable=True),
        sa.Column("obm_epoch", sa.Integer(), nullable=False),
        sa.Column("obm_revoke", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('allocated', 'releasing')) = (project_id IS NOT NULL) OR state = 'quarantined'",
            name=op.f("ck_node_owned"),
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_node_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node")),
        sa.UniqueConstraint("name", name=op.f("uq_node_name")),
    )
    op.create_index("ix_node_free", "node", ["state", "id"])
    op.create_index(op.f("ix_node_project_id"), "node", ["project_id"])
    op.create_table(
        "network_access",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["network_id"], ["network.id"], name=op.f("fk_network_access_network_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_network_access_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_access")),
        sa.UniqueConstraint("network_id", "project_id", name=op.f("uq_network_access_network_id_project_id")),
    )
    op.create_index(op.f("ix_network_access_project_id"), "network_access", ["project_id"])
    op.create_table(
        "nic",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("macaddr", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_nic_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nic")),
        sa.UniqueConstraint("node_id", "name", name=op.f("uq_nic_node_id_name")),
    )
    op.create_table(
        "node_label",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_node_label_node_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("node_id", "key", name=op.f("pk_node_label")),
    )
    op.create_index("ix_node_label_key_value", "node_label", ["key", "value", "node_id"])
    op.create_table(
        "node_metadata",
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_node_metadata_node_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("node_id", "key", name=op.f("pk_node_metadata")),
    )
    op.create_table(
        "operation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("node_id", sa.Integer(), nullable=True),
        sa.Column("node_name", sa.String(length=255), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("deadline", sa.Float(precision=53), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_operation_node_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_operation_project_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
    )
    op.create_index("ix_operation_project", "operation", ["project_id", "created_at"])
    op.create_table(
        "vlan",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pool", sa.Boolean(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name=op.f("fk_vlan_network_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vlan")),
        sa.UniqueConstraint("network_id", name=op.f("uq_vlan_network_id")),
    )
    op.create_table(
        "attachment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("nic_id", sa.Integer(), nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name=op.f("fk_attachment_network_id")),
        sa.ForeignKeyConstraint(["nic_id"], ["nic.id"], name=op.f("fk_attachment_nic_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sa.UniqueConstraint("nic_id", "network_id", name=op.f("uq_attachment_nic_id_network_id")),
    )
    op.create_index(op.f("ix_attachment_network_id"), "attachment", ["network_id"])
    op.create_index(
        "uq_attachment_nic_id_channel",
        "attachment",
        ["nic_id", "channel"],
        unique=True,
        sqlite_where=sa.text("state <> 'detaching'"),
        postgresql_where=sa.text("state <> 'detaching'"),
    )
    op.create_table(
        "port",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("switch_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("nic_id", sa.Integer(), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("tainted", sa.Boolean(), nullable=False),
        sa.Column("tainted_at", sa.Float(precision=53), nullable=True),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.Column("observed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("read_at", sa.Float(precision=53), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.Float(precision=53), nullable=False),
        sa.CheckConstraint("applied <= wanted", name=op.f("ck_port_receipts")),
        sa.ForeignKeyConstraint(["nic_id"], ["nic.id"], name=op.f("fk_port_nic_id")),
        sa.ForeignKeyConstraint(["switch_id"], ["switch.id"], name=op.f("fk_port_switch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_port")),
        sa.UniqueConstraint("nic_id", name=op.f("uq_port_nic_id")),
        sa.UniqueConstraint("switch_id", "name", name=op.f("uq_port_switch_id_name")),
    )
    op.create_index(
        "ix_port_pending",
        "port",
        ["switch_id"],
        unique=False,
        sqlite_where=sa.text("wanted > applied"),
        postgresql_where=sa.text("wanted > applied"),
    )
    op.create_table(
        "action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("operation_id", sa.String(length=36), nullable=False),
        sa.Column("nic_id", sa.Integer(), nullable=False),
        sa.Column("port_id", sa.Integer(), nullable=False),
        sa.Column("node_name", sa.String(length=255), nullable=False),
        sa.Column("nic_name", sa.String(length=255), nullable=False),
        sa.Column("verb", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("network_name", sa.String(length=255), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["nic_id"], ["nic.id"], name=op.f("fk_action_nic_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name=op.f("fk_action_operation_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name=op.f("fk_action_port_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action")),
    )
    op.create_index(op.f("ix_action_nic_id"), "action", ["nic_id"])
    op.create_index(op.f("ix_action_operation_id"), "action", ["operation_id"])
    op.create_index("ix_action_port", "action", ["port_id", "generation"])
    op.create_table(
        "port_vlan",
        sa.Column("port_id", sa.Integer(), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name=op.f("fk_port_vlan_port_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("port_id", "vlan", name=op.f("pk_port_vlan")),
    )
    op.create_index(op.f("ix_port_vlan_vlan"), "port_vlan", ["vlan"])
