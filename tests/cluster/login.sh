# shellcheck shell=bash
# What a login of the test user's is like. Sourced after daemons.sh.

# Start-up files, banner and environment of a login. What they set is what real sites and people set:
# each has made another tool misread an answer.
set_login() {
    local home=$DIR/home shell=/bin/bash file
    rm -f "$home"/.cshrc "$home"/.login "$home"/.bash_profile "$DIR/etc/banner"
    for file in .bashrc .profile .bash_logout; do
        rm -f "$home/$file"
        [[ ! -e /etc/skel/$file ]] || cp "/etc/skel/$file" "$home/$file"
    done
    cp "$DIR/etc/sshd_config.first" "$DIR/etc/sshd_config"
    if [[ $1 != plain ]]; then
        printf '%s\n' '*****' '* Welcome to nrtest. @namdrunner is not an answer: |1018|PENDING|' '*****' >"$DIR/etc/banner"
        sed -i "s|^SetEnv .*|& TZ=Asia/Kathmandu LC_ALL=de_DE.UTF-8 LANG=tr_TR.UTF-8 SLURM_TIME_FORMAT=relative \
SQUEUE_FORMAT=%i SQUEUE_STATES=PENDING SQUEUE_PARTITION=short SACCT_FORMAT=JobID SLURM_BITSTR_LEN=8|" \
            "$DIR/etc/sshd_config"
        echo "Banner $DIR/etc/banner" >>"$DIR/etc/sshd_config"
        # (bash reads .bashrc for commands over ssh as well, .profile in login shells.)
        cat >"$home/.bashrc" <<'END'
echo "Loading modules ... done"
echo "@namdrunner 0 begin squeue" >&2
stty erase '^H'
alias squeue='squeue --me' sbatch='sbatch --hold' cp='cp -i' rm='rm -i'
export PS1='$ ' GREP_OPTIONS=--color=always SLURM_TIME_FORMAT='%H o clock' TZ=America/St_Johns
printf 'no line end'
END
        cp "$home/.bashrc" "$home/.profile"
        echo 'echo goodbye' >"$home/.bash_logout"
    fi
    if [[ $1 == csh ]]; then
        shell=/bin/tcsh
        cat >"$home/.cshrc" <<'END'
echo "Loading modules (csh) ... done"
setenv SLURM_TIME_FORMAT relative
setenv TZ America/St_Johns
alias squeue 'squeue --me'
set prompt = '% '
set noclobber
END
        cp "$home/.cshrc" "$home/.login"
    fi
    chown -R "$USER_NAME:" "$home"
    usermod --shell "$shell" "$USER_NAME" >/dev/null
    kill_daemon sshd TERM
    start_one sshd
}
