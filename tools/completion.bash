# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of bash for vfio-mediate and lsvfio

# Addresses of PCI devices for which a file in sysfs exists
_vfio_mediate_devices()
{
	local path

	for path in /sys/bus/pci/devices/*/"$1"; do
		[[ -e $path ]] || continue
		path=${path%/"$1"}
		echo "${path##*/}"
	done
}

# A colon ends a word of the command line: complete what comes after the last one.
_vfio_mediate_reply()
{
	local line=${COMP_LINE:0:COMP_POINT} words=$1 word reply
	local current=${line##*[[:space:]]}

	COMPREPLY=()
	for reply in $(compgen -W "$words" -- "$current"); do
		word=${current%"${current##*:}"}
		COMPREPLY+=("${reply#"$word"}")
	done
}

_lsvfio()
{
	_vfio_mediate_reply "-v --verbose --json --no-open --help --version
		$(_vfio_mediate_devices vfio-dev)"
}

_vfio_mediate()
{
	local previous=${COMP_WORDS[COMP_CWORD - 1]}

	case $previous in
	--xml) compopt -o default; COMPREPLY=(); return;;
	esac
	case ${COMP_WORDS[1]} in
	status) _vfio_mediate_reply "--json --open --help";;
	check) _vfio_mediate_reply "--to --xml --rsh --json --help
		$(_vfio_mediate_devices physfn)";;
	bind) _vfio_mediate_reply "--vfs --force --persist --help
		$(_vfio_mediate_devices physfn) $(_vfio_mediate_devices sriov_numvfs)";;
	unbind) _vfio_mediate_reply "--help $(_vfio_mediate_devices vfio-dev)";;
	enable) _vfio_mediate_reply "--drop-in --alias --help";;
	watch) _vfio_mediate_reply "--json --poll --count --timeout --help
		$(_vfio_mediate_devices physfn)";;
	stream)
		_vfio_mediate_reply "--json --data --help"
		[[ ${COMPREPLY[*]} ]] || compopt -o default;;
	*) _vfio_mediate_reply "status check bind unbind enable disable watch stream
		--help --version";;
	esac
}

complete -F _lsvfio lsvfio
complete -F _vfio_mediate vfio-mediate
