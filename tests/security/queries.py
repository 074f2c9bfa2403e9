"""Queries that nobody sends by accident, each wrong or odd somewhere."""

QUERIES = (
    "limit=-1", "limit=abc", "limit=99999999999999999999", "limit=", "limit=1&limit=2", "marker=nothing",
    "marker=%00", "marker=%F0%9F%9A%80", "sort_key=nothing", "sort_key=id&sort_dir=sideways", "sort_dir=asc",
    "sort_key=%00", "name=%00", "name=%FF%FE", "id=%00", "=&&==", "&", "a[]=1", "fields=nothing",
    "fields=%00", "name=" + "x" * 4000, "page_reverse=maybe", "changes-since=yesterday",
    "changes-since=0001-01-01T00:00:00%2B14:00", "changes-before=2020-01-01T00:00:00+05:00",
    "status=%F0%9F%9A%80", "created_at=gt:never", "updated_at=foo:1", "offset=-5", "tags=%00&tags=",
    "project_id=%00", "deleted=maybe", "all_tenants=maybe", "name__contains=%25", "enabled=maybe",
    "sort=name:sideways,:", "member_status=x", "visibility=nothing", "size_min=x", "start=never&end=never",
    "detailed=x", "ip=%5B", "name=%5B", "ip6=(", "resources=VCPU:x", "resources=:", "required=!!",
    "member_of=in:", "in_tree=x", "limit=0", "tags-any=,",
)  # fmt: skip
