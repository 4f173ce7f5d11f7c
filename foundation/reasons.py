"""Why the system refused something, in both languages: its own words are English alone."""

import errno
import os
import socket

from foundation.text import Text

_ZH = {
    errno.EACCES: "权限不足",
    errno.EPERM: "操作不被允许",
    errno.ENOENT: "文件或目录不存在",
    errno.EEXIST: "文件已存在",
    errno.ELOOP: "符号链接循环",
    errno.ENXIO: "没有这个设备，或套接字不能当作文件打开",
    errno.EISDIR: "是目录而不是文件",
    errno.ENOTDIR: "路径中有一部分不是目录",
    errno.ENOTEMPTY: "目录非空",
    errno.ENOSPC: "磁盘空间已满",
    errno.EDQUOT: "超出磁盘配额",
    errno.EFBIG: "文件过大",
    errno.EROFS: "文件系统只读",
    errno.EIO: "输入/输出错误",
    errno.EMFILE: "打开的文件过多",
    errno.ENFILE: "系统打开的文件过多",
    errno.ENOMEM: "内存不足",
    errno.EBADF: "文件描述符已关闭",
    errno.EPIPE: "管道已关闭",
    errno.ENAMETOOLONG: "名称过长",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "不是本机的地址",
    errno.EAFNOSUPPORT: "不支持该地址族",
    errno.ECONNREFUSED: "连接被拒绝",
    errno.ECONNRESET: "连接被对端重置",
    errno.EHOSTUNREACH: "主机不可达",
    errno.ENETUNREACH: "网络不可达",
    errno.ETIMEDOUT: "连接超时",
    errno.EINVAL: "参数无效",
}
_NAMES = {
    socket.EAI_NONAME: Text("no such host name", "没有这个主机名"),
    socket.EAI_AGAIN: Text("no name server answers", "域名服务器没有应答"),
}
_OWN_NUMBERS = ("ssl", "socket")  # modules whose errors are numbered otherwise
_NOT_TEXT = Text("it is not UTF-8 text", "内容不是 UTF-8 文本")

NOT_PEM = Text(
    "it does not hold a key and certificate (PEM) that belong together",
    "其中没有相互匹配的 PEM 密钥与证书",
)


def reason_of(error: BaseException) -> Text:
    """Return why a file, directory, port or host could not be had, as part of a sentence."""
    if isinstance(error, UnicodeError):
        return _NOT_TEXT
    if isinstance(told := getattr(error, "text", None), Text):  # one of ours
        return told
    error = getattr(error, "os_error", error)  # what is in aiohttp's
    number: int = getattr(error, "errno", None) or 0
    if isinstance(error, socket.gaierror) and number in _NAMES:
        return _NAMES[number]
    if type(error).__module__ == "ssl" or hasattr(error, "certificate_error"):
        from foundation.tls_faults import tls_reason  # what uses no TLS does not load it

        if (told := tls_reason(error)) is not None:
            return told
    if type(error).__module__ == "sqlite3":
        from foundation.sqlite_faults import (
            sqlite_reason,  # what keeps no database does not load it
        )

        return sqlite_reason(error)
    if number not in errno.errorcode or type(error).__module__ in _OWN_NUMBERS:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Text(words, words)
    words = os.strerror(number)
    return Text(words, _ZH.get(number, words))
