"""What the rules of `walkthroughs.py` cannot know, step by step: other commands, reasons, what to look for.

`run` replaces a step's commands, `also` adds some, `with` adds to the command of a number; `out` leaves a
step out and says why, `guest` says where real guests tell it, `check` names a check of the test's own. In
commands and values {name} stands for what the test knows: host, project, auth_url, password, md5, size,
fingerprint, user_data, and what `keep` took from an earlier answer.
"""

from __future__ import annotations

from typing import Any

ABOUT = {
    "pike": "identity, image and compute of Pike by hand on CentOS 7",
    "folsom": "Folsom and Grizzly on RHEL 6, up to the first server by the command line",
    "queens": "compute and placement of Queens on two machines",
    "packstack": "Juno by packstack, then networks, a server and a floating address by the dashboard",
    "rocky": "notes of Rocky: two nodes, one flat network",
}

NO_CELLS = "there are no cells: all of compute is one database, and a host takes servers as soon as it joins"
NO_VOLUMES = "there is no volume service"
OPENRC = {"title": "the files of credentials", "check": "openrc"}
HOST_UP = {"Binary": "nova-compute", "Host": "{host}", "Zone": "nova", "Status": "enabled", "State": "up"}
SERVICES = "openstack compute service list"
DATA = "--disk-format qcow2 --container-format bare"
BYTES = {"checksum": "{md5}", "size": "{size}"}
TWO_IMAGES = [{"Name": "cirros-0.3.0-i386"}, {"Name": "cirros-0.3.0-x86_64"}]


def tenant(user: str, project: str, password: str = "{password}") -> dict[str, Any]:
    """An old file of credentials: a tenant, no domains, and the second version of identity."""
    environment = {"OS_USERNAME": user, "OS_TENANT_NAME": project, "OS_PASSWORD": password}
    return {
        "title": f"old file of credentials of {user}",
        "run": [
            {
                "run": "openstack token issue",
                "openrc": "tenant",
                "environment": environment,
                "exit": 1,
                "says": ["400", "domain"],
            },
            {
                "run": "openstack token issue",
                "openrc": "tenant",
                "environment": environment | {"OS_DEFAULT_DOMAIN_ID": "default"},
            },
        ],
    }


def help_of(command: str, *words: str) -> dict[str, Any]:
    return {"run": [{"run": f"openstack help {command}", "says": list(words)}]}


DECISIONS: dict[str, dict[str, Any]] = {
    # pike
    "S000-036": {
        "run": [
            {
                "run": "openstack --os-auth-url {auth_url} --os-project-domain-name default "
                "--os-user-domain-name default --os-project-name admin --os-username admin token issue",
                "openrc": "none",
                "typed": ["{password}"],
                "values": {"project_id": "{project}"},
            }
        ],
        "title": "token issue for admin, all by options",
    },
    "S000-037": {
        "run": [
            {
                "run": "openstack --os-auth-url {auth_url} --os-project-domain-name default "
                "--os-user-domain-name default --os-project-name demo --os-username demo token issue",
                "openrc": "none",
                "typed": ["{password}"],
            }
        ],
        "title": "token issue for demo, all by options",
    },
    "S000-038": OPENRC,
    "S000-040": {"with": {0: {"values": {"project_id": "{project}"}}}},
    "S000-056": {"also": [{"run": "openstack image show cirros", "values": BYTES | {"owner": "{project}"}}]},
    "S000-057": {"with": {0: {"rows": 1, "row": [{"Name": "cirros", "Status": "active"}]}}},
    "S000-062": {
        "title": "service create twice: two services, then the type is ambiguous",
        "run": [
            {
                "run": 'openstack service create --name nova --description "OpenStack Compute" compute',
                "already": False,
                "keep": {"second": "id"},
            },
            {
                "run": "openstack endpoint create --region RegionOne compute public http://controller:8774/v2.1",
                "already": False,
                "exit": 1,
                "says": ["ultiple"],
            },
            {"run": "openstack service delete {second}", "silent": True},
        ],
    },
    "S000-063": {
        "run": [
            {
                "run": "openstack endpoint create --region RegionOne compute public "
                "'http://controller:8774/v2.1/%(tenant_id)s'",
                "already": False,
            },
            {"run": "openstack catalog show compute", "says": ["http://controller:8774/v2.1/{project}"]},
        ],
    },
    "S000-076": {"out": NO_CELLS, "title": "nova-manage cell_v2 map_cell0"},
    "S000-077": {"out": NO_CELLS, "title": "nova-manage cell_v2 create_cell"},
    # folsom
    "S001-016": help_of("project create", "--domain", "--description"),
    "S001-017": help_of("project create", "--enable", "--disable", "<project-name>"),
    "S001-022": tenant("admin", "admin"),
    "S001-024": {"with": {0: {"row": [{"Name": "admin", "Enabled": True}]}}},
    "S001-043": {"with": {0: {"rows": 0}}, "also": [{"run": "glance image-list", "rows": 0}]},
    "S001-045": {
        "title": "image properties",
        "run": [
            f"openstack image create {DATA} --file cirros-0.3.0-i386-disk.img properties",
            {
                "run": "openstack image set --property architecture=x86_64 --property hypervisor_type=qemu "
                "--property vm_mode=hvm --property vmware_adaptertype=ide properties",
                "silent": True,
            },
            {
                "run": "openstack image show properties",
                "says": ['"architecture": "x86_64"', '"hypervisor_type": "qemu"', '"vm_mode": "hvm"'],
                "values": {"name": "properties"},
            },
            {"run": "openstack image delete properties", "silent": True},
        ],
    },
    "S001-048": {
        "title": "metadata and the size of the disk",
        "guest": "the console tells the server's id, which the guest read from the metadata; that its disk "
        "grows is in tests/guests/test_qemu.py",
    },
    "S001-052": {
        "title": "image from standard input, by glance",
        "run": [
            {
                "run": f"glance image-create --name cirros-0.3.0-i386 {DATA}",
                "input": "cirros-0.3.0-i386-disk.img",
                "fields": [
                    "checksum",
                    "container_format",
                    "created_at",
                    "disk_format",
                    "min_disk",
                    "min_ram",
                ],
                "values": BYTES | {"status": "active", "name": "cirros-0.3.0-i386", "protected": False},
            }
        ],
    },
    "S001-053": {"also": [{"run": "openstack image show cirros-0.3.0-x86_64", "values": BYTES}]},
    "S001-054": {
        "with": {0: {"rows": 2, "row": TWO_IMAGES}},
        "also": [{"run": "glance image-list", "columns": ["ID", "Name"], "rows": 2}],
    },
    "S001-055": {"with": {0: {"rows": 2, "row": TWO_IMAGES}}},
    "S001-073": {
        "with": {0: {"row": [HOST_UP]}},
        "also": [{"run": "nova service-list", "row": [HOST_UP]}],
    },
    "S001-075": help_of("network create", "--share", "--external", "--provider-network-type"),
    "S001-077": {
        "with": {0: {"row": [{"Name": "private"}]}, 1: {"row": [{"Subnet": "172.16.200.0/24"}]}},
    },
    "S001-080": {"with": {0: {"rows": 1, "row": [{"Name": "default"}]}}},
    "S001-083": {"also": [{"run": "nova keypair-add --pub-key ~/.ssh/id_rsa.pub oldkey", "silent": True}]},
    "S001-084": {
        "with": {0: {"row": [{"Name": "testkey", "Fingerprint": "{fingerprint}", "Type": "ssh"}]}},
        "also": [
            {
                "run": "nova keypair-list",
                "row": [{"Name": "oldkey", "Type": "ssh", "Fingerprint": "{fingerprint}"}],
            }
        ],
    },
    "S001-086": {"with": {0: {"row": [HOST_UP]}}},
    "S001-087": {
        "with": {
            0: {
                "row": [
                    {"ID": number, "Name": name, "RAM": ram, "Disk": disk, "VCPUs": vcpus}
                    for number, name, ram, disk, vcpus in (
                        ("1", "m1.tiny", 512, 1, 1),
                        ("2", "m1.small", 2048, 20, 1),
                        ("3", "m1.medium", 4096, 40, 2),
                        ("4", "m1.large", 8192, 80, 4),
                        ("5", "m1.xlarge", 16384, 160, 8),
                    )
                ]
            }
        },
        "also": [{"run": "nova flavor-list", "row": [{"ID": "1", "Name": "m1.tiny", "Memory_MiB": 512}]}],
    },
    "S001-088": {
        "also": [
            {
                "run": "nova flavor-create --swap 256 flavor.old 7 128 2 2",
                "row": [
                    {"ID": "7", "Name": "flavor.old", "Memory_MiB": 128, "Disk": 2, "VCPUs": 2, "Swap": 256}
                ],
            }
        ]
    },
    "S001-089": {"with": {0: {"rows": 2, "row": TWO_IMAGES}}},
    "S001-090": {
        "run": [
            "openstack server create --flavor 6 --image cirros-0.3.0-x86_64 --key-name testkey "
            "--security-group default --network private cirros1",
        ],
        "also": [
            {
                "run": "nova boot --flavor 6 --image cirros-0.3.0-i386 --key-name testkey "
                "--security-groups default cirros2",
                "values": {"name": "cirros2", "key_name": "testkey", "tenant_id": "{project}"},
            }
        ],
    },
    "S001-091": {
        "with": {0: {"within": 20, "rows": 2, "row": [{"Name": "cirros1", "Status": "ACTIVE"}]}},
        "also": [
            {"run": "openstack server show cirros1", "says": ['"private"', "172.16.200."]},
            {"run": "nova list", "within": 20, "row": [{"Name": "cirros2", "Status": "ACTIVE"}]},
        ],
    },
    "S001-092": {
        "with": {0: {"within": 10, "says": ["login:"]}},
        "also": [{"run": "nova console-log cirros2", "within": 10, "says": ["login:"]}],
    },
    "S001-093": {
        "guest": "ssh with the key pair that the server was made with",
        "title": "ssh into the guest",
    },
    "S001-095": {
        "title": "a host that takes no new servers",
        "run": [
            {"run": "openstack compute service set --disable {host} nova-compute", "silent": True},
            {"run": f"{SERVICES} --service nova-compute", "row": [HOST_UP | {"Status": "disabled"}]},
            "openstack server create --flavor 6 --image cirros-0.3.0-x86_64 --network private nowhere",
            {
                "run": "openstack server show nowhere",
                "within": 20,
                "values": {"status": "ERROR"},
                "says": ["No valid host"],
            },
            {"run": "openstack server show cirros1", "values": {"status": "ACTIVE"}},
            {"run": "openstack compute service set --enable {host} nova-compute", "silent": True},
        ],
    },
    "S001-114": {
        "also": [
            {
                "run": "openstack catalog show object-store",
                "says": ["http://172.16.200.8:8080/v1/AUTH_{project}"],
            }
        ]
    },
    "S001-116": tenant("swift", "service", "swift"),
    "S001-125": {"out": "there is no dashboard", "title": "the dashboard"},
    "S001-132": {
        "title": "an endpoint for a service named by its id",
        "run": [
            {"run": "openstack service show identity", "already": True, "keep": {"identity": "id"}},
            {
                "run": "openstack endpoint create --disable --region RegionOne {identity} public "
                "http://172.16.200.1:5000/v3",
                "values": {"service_id": "{identity}", "service_type": "identity", "enabled": False},
                "keep": {"door": "id"},
            },
            {"run": "openstack endpoint delete {door}", "silent": True},
        ],
    },
    "S001-137": OPENRC,
    "S001-139": {"with": {0: {"row": [{"Name": "admin", "Enabled": True}]}}},
    "S001-140": {
        "with": {0: {"row": [{"Name": "admin", "Enabled": True}, {"Name": "service", "Enabled": True}]}}
    },
    # queens
    "S002-023": {"out": NO_CELLS},
    "S002-024": {"out": NO_CELLS, "title": "nova-manage cell_v2 create_cell"},
    "S002-026": {"out": NO_CELLS},
    "S002-036": {"with": {0: {"rows": 1, "row": [HOST_UP]}}},
    "S002-037": {
        "title": "a host that joined is there without a command",
        "run": [
            {
                "run": "openstack hypervisor list",
                "row": [{"Hypervisor Hostname": "{host}", "State": "up"}],
                "already": True,
            }
        ],
    },
    # packstack
    "S003-020": {
        "title": "the state of all services on one page",
        "run": [
            {
                "run": "monostack status",
                "says": ["keystone", "glance", "neutron", "nova", "public", "m1.tiny", "admin"],
            },
            {
                "run": "openstack service list",
                "row": [{"Type": kind} for kind in ("identity", "image", "compute")],
            },
            {"run": SERVICES, "row": [HOST_UP]},
            {
                "run": "openstack network agent list",
                "row": [{"Host": "{host}", "Binary": "neutron-l3-agent"}],
            },
            {"run": "openstack user list --long", "row": [{"Name": "admin"}, {"Name": "demo"}]},
            {"run": "openstack image list --long", "rows": 0},
            {"run": "openstack network list", "row": [{"Name": "public"}]},
            {"run": "openstack flavor list --all", "row": [{"Name": "m1.tiny"}]},
            {"run": "openstack server list --all-projects", "rows": 0},
        ],
    },
    "S003-021": {"out": "there is no dashboard", "title": "the dashboard"},
    "S003-022": OPENRC,
    "S003-023": {
        "title": "sign in as admin",
        "run": ["openstack token issue"],
    },
    "S003-024": {
        "run": [
            {
                "run": "openstack network show public",
                "was": "openstack network create --external --provider-network-type flat "
                "--provider-physical-network extnet public",
                "already": True,
                "values": {"name": "public", "router:external": True, "provider:network_type": "flat"},
            }
        ]
    },
    "S003-025": {"with": {0: {"silent": True}}},
    "S003-027": {
        "title": "subnet create with a pool, without DHCP",
        "run": [
            "openstack subnet create --network public --subnet-range 192.168.10.0/24 --gateway 192.168.10.1 "
            "--no-dhcp --allocation-pool start=192.168.10.51,end=192.168.10.60 extnet-subnet"
        ],
    },
    "S003-034": {"with": {0: {"row": [{"Name": "public"}, {"Name": "private"}]}}},
    "S003-038": {"with": {0: {"silent": True}}},
    "S003-040": {"with": {0: {"silent": True}}},
    "S003-041": {
        "with": {0: {"within": 10, "row": [{"Status": "ACTIVE"}]}},
        "also": [
            {
                "run": "openstack router show router1",
                "values": {"name": "router1", "status": "ACTIVE"},
                "says": ["10.10.10.1", "external_fixed_ips"],
            }
        ],
    },
    "S003-046": {"with": {0: {"row": [{"Name": "cirros", "Status": "active"}]}}},
    "S003-048": {"with": {0: {"values": {"name": "vm1"}}}},
    "S003-051": {
        "title": "server create with user data",
        "run": [
            "openstack server create --user-data user-data --image cirros --flavor my-flavor "
            "--network private vm2",
            {
                "run": "openstack server show vm2",
                "within": 20,
                "values": {"status": "ACTIVE", "OS-EXT-SRV-ATTR:user_data": "{user_data}"},
            },
        ],
    },
    "S003-053": {"with": {0: {"within": 30, "row": [{"Name": "vm1", "Status": "ACTIVE"}]}}},
    "S003-056": {
        "run": [
            {
                "run": "openstack floating ip create public --subnet extnet-subnet",
                "was": "openstack floating ip create public",
                "keep": {"address": "floating_ip_address"},
                "matches": {"floating_ip_address": r"^192\.168\.10\.(5[1-9]|60)$"},
            }
        ]
    },
    "S003-058": {"run": [{"run": "openstack server add floating ip vm1 {address}", "silent": True}]},
    "S003-059": {"with": {0: {"values": {"status": "ACTIVE"}, "says": ["10.10.10.", "{address}"]}}},
    "S003-060": {"guest": "ping is blocked while no rule allows it", "title": "ping without a rule"},
    "S003-063": {
        "with": {0: {"row": [{"Direction": "egress", "Ethertype": "IPv4"}, {"Direction": "egress"}]}},
    },
    "S003-067": {"with": {0: {"silent": True}}},
    "S003-068": {"guest": "ping is answered right after the rule", "title": "ping with a rule"},
    "S003-070": {"out": NO_VOLUMES},
    "S003-072": {"out": NO_VOLUMES},
    "S003-073": {"out": NO_VOLUMES},
    "S003-074": {
        "title": "usage and limits",
        "run": [
            {"run": "openstack usage show", "says": ["{project}", "Servers"]},
            {
                "run": "openstack limits show --absolute",
                "row": [{"Name": "instances", "Value": 10}, {"Name": "instances_used", "Value": 2}],
            },
        ],
    },
    "S003-077": {
        "guest": "ssh with a key; the small guest takes no passwords",
        "title": "ssh to the floating address",
    },
    "S003-078": {
        "guest": "the guest has the fixed address that the API tells: ssh reaches it by its floating address",
        "title": "the guest's card and address",
    },
    "S003-079": {"out": NO_VOLUMES, "title": "disks before a volume"},
    "S003-080": {"out": NO_VOLUMES, "title": "a file system on the volume"},
    "S003-081": {"out": NO_VOLUMES, "title": "mounting the volume"},
    # rocky
    "S004-013": {
        "title": "what the bootstrap of identity makes is there after the first start, and made once",
        "run": [
            {"run": "monostack identity bootstrap --bootstrap-password {password}", "already": True},
            {
                "run": "openstack domain show default",
                "values": {"id": "default", "name": "Default", "enabled": True},
                "already": True,
            },
            {"run": "openstack region show RegionOne", "values": {"region": "RegionOne"}, "already": True},
            {
                "run": "openstack role list",
                "row": [{"Name": name} for name in ("admin", "manager", "member", "reader", "service")],
                "already": True,
            },
            {
                "run": "openstack endpoint list --service identity --region RegionOne",
                "rows": 3,
                "row": [{"Interface": name, "Enabled": True} for name in ("public", "internal", "admin")],
                "already": True,
            },
        ],
    },
    "S004-015": OPENRC,
    "S004-025": {
        "with": {
            0: {"row": [{"Name": "admin"}, {"Name": "demo"}]},
            1: {"row": [{"Name": "admin"}, {"Name": "demo"}, {"Name": "service"}]},
        }
    },
    "S004-030": {"with": {0: {"row": [{"Service Type": "identity", "URL": "http://1.1.1.1:35357/v3"}]}}},
    "S004-032": {
        "title": "token issue by options, domains by id",
        "run": [
            {
                "run": "openstack --os-auth-url {auth_url} --os-project-domain-id default "
                "--os-user-domain-id default --os-project-name admin "
                "--os-username admin --os-auth-type password token issue",
                "openrc": "none",
                "typed": ["{password}"],
            }
        ],
    },
    "S004-040": {"with": {0: {"rows": 0}}, "also": [{"run": "glance image-list", "rows": 0}]},
    "S004-043": {"with": {0: {"rows": 1, "row": [{"Name": "cirros", "Status": "active"}]}}},
    "S004-044": {
        "title": "image create with its progress, by glance",
        "run": [
            {
                "run": f"glance image-create --name cirros-glance --file cirros.img {DATA} "
                "--visibility public --progress",
                "values": BYTES | {"visibility": "public", "status": "active"},
            },
            {"run": "glance image-list", "rows": 2},
            {"run": "openstack image delete cirros-glance", "silent": True},
        ],
    },
    "S004-047": {"out": NO_CELLS, "title": "schemas and cells"},
    "S004-051": {"with": {0: {"row": [{"Host Name": "{host}", "Service": "compute"}]}}},
    "S004-059": {
        "with": {
            0: {"row": [{"Service Type": "network", "URL": "http://1.1.1.1:9696"}]},
            1: {
                "row": [
                    {"Agent Type": name, "Host": "{host}", "Alive": True, "State": True}
                    for name in ("DHCP agent", "L3 agent")
                ]
            },
        }
    },
    "S004-062": {
        "with": {
            0: {"row": [{"Name": "flat"}]},
            1: {"row": [{"Name": "flat-subnet", "Subnet": "192.168.1.0/24"}]},
        },
    },
    "S004-063": {
        "run": ["openstack keypair create --public-key ~/.ssh/id_rsa.pub mykey", "openstack keypair list"],
        "with": {1: {"row": [{"Name": "mykey", "Fingerprint": "{fingerprint}"}]}},
    },
    "S004-065": {
        "with": {
            0: {"row": [{"Name": "m1.tiny"}]},
            1: {"row": [{"Name": "cirros"}]},
            2: {"row": [{"Name": "flat"}]},
        }
    },
    "S004-066": {
        "run": [
            "openstack server create --flavor m1.tiny --image cirros --network flat --security-group default "
            "--key-name mykey hello-myinstance",
            {
                "run": "openstack server show hello-myinstance",
                "within": 20,
                "values": {"status": "ACTIVE", "key_name": "mykey"},
                "says": ["192.168.1.1"],
            },
        ],
    },
    "S004-069": {"out": "there is no dashboard", "title": "the dashboard"},
    "S004-074": {"with": {0: {"row": [{"Host Name": "{host}"}]}, 1: {"row": [{"Name": "cirros"}]}}},
}
