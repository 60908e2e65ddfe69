// The least that makes a sandbox as ours is: seven namespaces, a RAM root with a read-only view of the host, a new root,
// no rights, one program. No limits, no system call filter, no terminal, nothing checked beforehand.
//
//   floor FOLDER PROGRAM
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>

static void need(int result, const char *what) {
	if (result < 0) {
		perror(what);
		_exit(70);
	}
}

static void put(const char *path, const char *text) {
	int fd = open(path, O_WRONLY);
	need(fd, path);
	need(write(fd, text, strlen(text)), path);
	close(fd);
}

static void show(const char *path, const char *target) {
	need(mkdir(target, 0755), target);
	need(mount(path, target, NULL, MS_BIND | MS_REC, NULL), target);
	need(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL), target);
}

int main(int count, char **words) {
	if (count != 3)
		return 2;
	char map[64];
	if (getuid() == 0) {
		need(setgid(1900000000), "setgid");
		need(setuid(1900000000), "setuid");
		// The maps below are written to this process' own files, which the change of user took away.
		need(prctl(PR_SET_DUMPABLE, 1), "prctl");
	}
	unsigned uid = getuid(), gid = getgid();
	need(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP),
	     "unshare");
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "1000 %u 1\n", uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "1000 %u 1\n", gid);
	put("/proc/self/gid_map", map);
	pid_t child = fork();
	need(child, "fork");
	if (child) {
		int status;
		need(waitpid(child, &status, 0), "waitpid");
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	// Before the RAM root covers it.
	int folder = open(words[1], O_PATH);
	need(folder, words[1]);
	need(mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m"), "tmpfs");
	need(chdir("/tmp"), "chdir");
	show("/usr", "usr");
	need(symlink("usr/lib", "lib"), "lib");
	need(symlink("usr/lib64", "lib64"), "lib64");
	need(symlink("usr/bin", "bin"), "bin");
	need(mkdir("dev", 0755), "dev");
	const char *devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
	for (unsigned n = 0; n < sizeof devices / sizeof *devices; n++) {
		char from[32], to[32];
		snprintf(from, sizeof from, "/dev/%s", devices[n]);
		snprintf(to, sizeof to, "dev/%s", devices[n]);
		close(open(to, O_CREAT | O_WRONLY, 0644));
		need(mount(from, to, NULL, MS_BIND, NULL), from);
	}
	char proc_fd[64];
	snprintf(proc_fd, sizeof proc_fd, "/proc/self/fd/%d", folder);
	show(proc_fd, "shown");
	need(mkdir("proc", 0755), "proc");
	need(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "umount");
	need(chdir("/"), "chdir");
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};
	need(syscall(SYS_capset, &head, none), "capset");
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	char *program = strrchr(words[2], '/');
	char path[256];
	snprintf(path, sizeof path, "/shown%s", program ? program : "/true");
	execl(path, path, (char *)NULL);
	perror(path);
	return 70;
}
