"""What the audits of usage tell, and certificates as key pairs."""

from datetime import UTC, datetime, timedelta

from cryptography import x509

AUDIT = "/os-instance_usage_audit_log"


def test_this_month_is_told_when_it_is_over(world, admin, demo):
    demo.server()
    log = admin.get(AUDIT)["instance_usage_audit_logs"]
    assert (log["total_instances"], log["num_hosts_done"]) == (0, log["num_hosts"])
    assert log["overall_status"] == "ALL hosts done. 0 errors."
    after = (datetime.now(UTC) + timedelta(days=32)).strftime("%Y-%m-%d %H:%M:%S")
    log = admin.get(f"{AUDIT}/{after}")["instance_usage_audit_log"]
    assert log["total_instances"] == 1
    assert sum(host["instances"] for host in log["log"].values()) == 1
    assert log["period_beginning"].endswith("-01 00:00:00")


def test_an_earlier_month_and_what_is_no_time(admin, demo):
    log = admin.get(f"{AUDIT}/2012-07-15 10:00:00")["instance_usage_audit_log"]
    assert (log["period_beginning"], log["period_ending"]) == ("2012-06-01 00:00:00", "2012-07-01 00:00:00")
    assert "Invalid timestamp" in admin.refused("GET", f"{AUDIT}/soon", 400)
    demo.get(AUDIT, 403)


def test_a_certificate_is_made_for_guests_without_ssh(demo, admin):
    body = {"keypair": {"name": "windows", "type": "x509"}}
    made = demo.post("/os-keypairs", body, 201, version="2.2")["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert name.value == made["user_id"]
    assert made["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert len(made["fingerprint"].split(":")) == 20
    long = {"keypair": {"name": "long", "type": "x509", "user_id": "u" * 100}}
    assert "certificate" in admin.refused("POST", "/os-keypairs", 400, long, version="2.10")
