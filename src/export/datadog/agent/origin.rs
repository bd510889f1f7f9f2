//! Which container the process is in, by the rules of Datadog's clients
//! (<https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/#dogstatsd-protocol-v14>).
//!
//! With version 1 of control groups, and in the host's namespace, `/proc/self/cgroup` names the
//! container. Otherwise the files that are mounted into it may; and if they do not, the inode of
//! its control group is one that the agent knows the container by.
#![forbid(unsafe_code)]

/// The inode of the host's own namespace of control groups, in which nobody is in a container
/// (`PROC_CGROUP_INIT_INO`,
/// <https://github.com/torvalds/linux/blob/master/include/linux/proc_ns.h>).
#[cfg(target_os = "linux")]
const HOST_NAMESPACE: u64 = 0xEFFF_FFFB;

/// Fields for the end of every line, empty if there is nothing to say.
pub(super) fn fields(variable: impl Fn(&str) -> Option<String>) -> String {
    let is_off = |value: &str| matches!(value.to_ascii_lowercase().as_str(), "false" | "0");
    if variable("DD_ORIGIN_DETECTION_ENABLED").is_some_and(|value| is_off(&value)) {
        return String::new();
    }
    let mut fields = String::new();
    if let Some(local) = local() {
        fields += "|c:";
        fields += &local;
    }
    let external = variable("DD_EXTERNAL_ENV").unwrap_or_default();
    let external: String = external.chars().filter(|&c| !c.is_control() && c != '|').collect();
    if !external.is_empty() {
        fields += "|e:";
        fields += &external;
    }
    fields
}

#[cfg(not(target_os = "linux"))]
fn local() -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
fn local() -> Option<String> {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounted = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(id) = id_in_groups(&groups).or_else(|| id_in_mounts(&mounted)) {
        return Some(format!("ci-{id}"));
    }
    let namespace = fs::metadata("/proc/self/ns/cgroup").ok()?.ino();
    if namespace == HOST_NAMESPACE {
        return None;
    }
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let folder = group_folder(&mounts, &groups)?;
    Some(format!("in-{}", fs::metadata(folder).ok()?.ino()))
}

/// The container's id at the end of a path in `/proc/self/cgroup`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn id_in_groups(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let path = path.strip_suffix(".scope").unwrap_or(path);
        id_at_end(path)
    })
}

/// 64 hexadecimal digits, a UUID, or 32 digits with a number, as Fargate has them.
fn id_at_end(path: &str) -> Option<&str> {
    let end = |bytes: usize| path.len().checked_sub(bytes).and_then(|at| path.get(at..));
    if let Some(id) = end(64).filter(|id| is_hex(id)) {
        return Some(id);
    }
    if let Some(id) = end(36).filter(|id| is_uuid(id)) {
        return Some(id);
    }
    let (before, number) = path.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let task = before.len().checked_sub(32)?;
    let is_task = is_number && before.get(task..).is_some_and(is_hex);
    is_task.then(|| &path[task..])
}

/// The id in the source of a file that the runtime mounts into every container, its `hostname`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn id_in_mounts(mounts: &str) -> Option<&str> {
    let fields = mounts.lines().flat_map(str::split_whitespace);
    fields.filter(|field| field.ends_with("/hostname")).find_map(|field| {
        let parts: Vec<&str> = field.split('/').collect();
        let at = parts.iter().rposition(|part| part.len() == 64 && is_hex(part))?;
        // That of the pod is not that of the container.
        (at > 0 && parts[at - 1] != "sandboxes").then(|| parts[at])
    })
}

/// Where the process's control group of version 2 is.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn group_folder(mounts: &str, groups: &str) -> Option<String> {
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (path, kind) = (fields.nth(1)?, fields.next()?);
        (kind == "cgroup2").then_some(path)
    })?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(format!("{mount}{group}"))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '_']).collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|it| is_hex(it))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ID: &str = "8c046cb0b72cd4c99f51b5591cd5b095967f58ee003710a45280c28ee1a9c7fa";

    #[test]
    fn containers_are_found_in_control_groups() {
        let uuid = "34dc0b5e-626f-2c5c-4c51-70e34b10e765";
        let task = "34dc0b5e626f2c5c4c5170e34b10e765-1234567890";
        for (groups, id) in [
            (format!("12:pids:/docker/{ID}\n0::/x"), Some(ID)),
            (format!("1:name=systemd:/a\n0::/kubepods.slice/cri-containerd-{ID}.scope"), Some(ID)),
            (format!("9:cpu:/ecs/{uuid}/{ID}"), Some(ID)),
            (format!("9:cpu:/garden/{uuid}"), Some(uuid)),
            (format!("9:cpu:/ecs/{task}"), Some(task)),
            ("0::/\n".to_owned(), None),
            ("0::/user.slice/session-2.scope".to_owned(), None),
            (format!("0::/{}g", &ID[1..]), None),
            (String::new(), None),
        ] {
            assert_eq!(id_in_groups(&groups), id, "{groups}");
        }
    }

    #[test]
    fn containers_are_found_in_mounts() {
        let docker = format!(
            "1 2 0:5 / /proc rw - proc proc rw\n608 2 254:1 \
             /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda1 rw"
        );
        assert_eq!(id_in_mounts(&docker), Some(ID));
        let pod = format!(
            "1 2 254:1 /containerd/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname /etc/hostname rw"
        );
        assert_eq!(id_in_mounts(&pod), None);
        assert_eq!(id_in_mounts("1 2 0:5 / /etc/hostname rw"), None);
    }

    #[test]
    fn a_group_of_version_2_has_a_folder() {
        let mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 ro 0 0\n";
        assert_eq!(group_folder(mounts, "0::/\n").as_deref(), Some("/sys/fs/cgroup/"));
        assert_eq!(group_folder(mounts, "0::/a/b\n").as_deref(), Some("/sys/fs/cgroup/a/b"));
        assert_eq!(group_folder("cgroup /sys/fs/cgroup cgroup rw", "0::/"), None);
        assert_eq!(group_folder(mounts, "1:cpu:/"), None);
    }

    #[test]
    fn the_environment_says_more_or_turns_it_off() {
        let set = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        let fields = fields(set("DD_EXTERNAL_ENV", "it-false,cn-a|b\n,pu-1"));
        assert!(fields.ends_with("|e:it-false,cn-ab,pu-1"), "{fields}");
        assert_eq!(super::fields(set("DD_ORIGIN_DETECTION_ENABLED", "False")), "");
    }
}
